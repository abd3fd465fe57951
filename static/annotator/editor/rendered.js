// The context as models read it: text, JSON or Markdown, with its size.

import { ApiError, getJson } from "../api.js";
import { byId } from "../dom.js";
import { toast } from "../toast.js";

const number = (value) => value.toLocaleString("en");

export function wireRendered(bench) {
  const tabs = [...document.querySelectorAll("#rendered [role=tab]")];
  const panel = byId("rendered-text");
  let format = "text";
  let asked = 0;

  async function draw() {
    const mine = ++asked;
    panel.setAttribute("aria-busy", "true");
    try {
      const seen = await getJson(bench.api(`/contexts/${bench.contextId}/render?format=${format}`));
      if (mine !== asked) return;
      panel.querySelector("pre").textContent = seen.text;
      byId("context-size").textContent = `${number(seen.chars)} characters · ${number(seen.tokens)} tokens`;
      byId("context-size").title = `sha256 ${seen.sha}, template ${seen.template_version}; tokens are an estimate`;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What is shown stays until the server answers again; why nothing is shown at all is worth saying.
      if (mine === asked && !panel.textContent.trim()) panel.querySelector("pre").textContent = error.message;
    } finally {
      if (mine === asked) panel.removeAttribute("aria-busy");
    }
  }

  function choose(tab) {
    format = tab.dataset.format;
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", tab.id);
    draw();
  }
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (!by) return;
      const next = tabs[(index + by + tabs.length) % tabs.length];
      next.focus();
      choose(next);
    });
  }
  byId("rendered-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(panel.textContent);
      toast("Copied.");
    } catch {
      getSelection().selectAllChildren(panel);
      toast("The browser does not let this page copy: the text is selected, copy it with the keyboard.", {
        isBad: true,
      });
    }
  });
  return draw;
}
