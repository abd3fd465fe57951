// The panes: resized by mouse and keyboard, and remembered; on small screens one at a time, chosen by tabs.

import { byId } from "../dom.js";

const STORED = "mapqator.panes";
const STEP = 16;
// Least and most of each pane: widths in px, heights in percent of what surrounds them.
const BOUNDS = { tools: [240, 520], side: [280, 720], map: [15, 85], context: [15, 85] };
const STANDARD = { tools: 320, side: 400, map: 48, context: 40 };
const UNITS = { tools: "px", side: "px", map: "%", context: "%" };

function stored() {
  try {
    return { ...STANDARD, ...JSON.parse(localStorage.getItem(STORED) ?? "{}") };
  } catch {
    return { ...STANDARD };
  }
}

export function wirePanes() {
  const panes = byId("panes");
  const sizes = stored();

  function resize(pane, size, grip) {
    const [least, most] = BOUNDS[pane];
    sizes[pane] = Math.round(Math.min(most, Math.max(least, size)));
    panes.style.setProperty(`--${pane}`, `${sizes[pane]}${UNITS[pane]}`);
    grip.setAttribute("aria-valuenow", sizes[pane]);
    grip.setAttribute("aria-valuetext", `${sizes[pane]} ${UNITS[pane] === "%" ? "percent" : "pixels"}`);
  }

  function keep() {
    try {
      localStorage.setItem(STORED, JSON.stringify(sizes));
    } catch {
      // Without storage the sizes last as long as the page.
    }
  }

  function wire(grip) {
    const { pane } = grip.dataset;
    const [least, most] = BOUNDS[pane];
    grip.setAttribute("aria-valuemin", least);
    grip.setAttribute("aria-valuemax", most);
    resize(pane, sizes[pane], grip);
    const sizeAt = ({ clientX, clientY }) => {
      const { left, right, top, height } = grip.parentElement.getBoundingClientRect();
      if (UNITS[pane] === "%") return ((clientY - top) / height) * 100;
      return pane === "side" ? right - clientX : clientX - left;
    };
    grip.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      grip.focus();
      grip.setPointerCapture(event.pointerId);
    });
    grip.addEventListener("pointermove", (event) => {
      if (grip.hasPointerCapture(event.pointerId)) resize(pane, sizeAt(event), grip);
    });
    grip.addEventListener("lostpointercapture", keep);
    grip.addEventListener("dblclick", () => {
      resize(pane, STANDARD[pane], grip);
      keep();
    });
    grip.addEventListener("keydown", (event) => {
      // The right pane grows to the left.
      const by = (UNITS[pane] === "%" ? 4 : STEP) * (pane === "side" ? -1 : 1);
      const sizeBy = { ArrowRight: by, ArrowDown: by, ArrowLeft: -by, ArrowUp: -by }[event.key];
      const size = { Home: least, End: most }[event.key] ?? (sizeBy === undefined ? null : sizes[pane] + sizeBy);
      if (size === null) return;
      event.preventDefault();
      resize(pane, size, grip);
      keep();
    });
  }

  for (const grip of panes.querySelectorAll(".grip")) wire(grip);

  const tabs = [...byId("tabs").querySelectorAll("[data-tab]")];
  function showTab(key) {
    if (panes.dataset.tab === key && tabs.some((tab) => tab.hasAttribute("aria-current"))) return;
    panes.dataset.tab = key;
    for (const tab of tabs) {
      if (tab.dataset.tab === key) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
    // On small screens the page scrolls, and another pane begins at its own top.
    if (byId("tabs").offsetParent || getComputedStyle(byId("tabs")).position === "fixed")
      scrollTo({ top: Math.min(scrollY, panes.offsetTop) });
  }
  byId("tabs").addEventListener("click", ({ target }) => {
    const tab = target.closest("[data-tab]");
    if (tab) showTab(tab.dataset.tab);
  });
  showTab("tools");
  return showTab;
}
