// The page of some exact bytes, with the value that the address's hash points to; and asking a provider again.

import { ApiError, send } from "./api.js";
import { byId, make } from "./dom.js";
import { follow, scan } from "./evidence.scan.js";
import { Tree } from "./evidence.tree.js";

const TEXT_CHUNK = 200_000;
const HEX_CHUNK = 16_384;
const LARGEST = 50_000_000;

const state = { text: null, whole: null, tree: null, isFolded: true };

// The pointer in the address, or null: `#main` and the like are places of the page.
function wantedPointer() {
  const raw = location.hash.slice(1);
  let pointer = raw;
  try {
    pointer = decodeURIComponent(raw);
  } catch {
    // Then it was not encoded.
  }
  return pointer.startsWith("/") ? pointer : null;
}

async function start() {
  const { sha, size } = byId("evidence").dataset;
  const place = byId("bytes");
  if (Number(size) > LARGEST) {
    const words = "This is too large to be shown in a page. ";
    place.replaceChildren(make("p", {}, words, make("a", { href: `/x/${sha}?raw` }, "Download it")));
    place.removeAttribute("aria-busy");
    return;
  }
  let bytes;
  try {
    const response = await fetch(`/x/${sha}?raw`);
    if (!response.ok) throw new TypeError(String(response.status));
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    place.replaceChildren(make("p", { class: "bad" }, "The content could not be read. Load the page again when MapQaTor is back."));
    place.removeAttribute("aria-busy");
    return;
  }
  place.removeAttribute("aria-busy");
  show(bytes);
}

function show(bytes) {
  if (bytes.length === 0) {
    byId("bytes").replaceChildren(make("p", { class: "quiet" }, "Empty: the content has no bytes."));
    return;
  }
  try {
    state.text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    showHex(bytes);
    return;
  }
  state.whole = scan(state.text);
  if (state.whole) {
    state.tree = new Tree(state.text, state.whole);
    byId("views").hidden = false;
    byId("as-tree").addEventListener("click", () => choose(true));
    byId("as-text").addEventListener("click", () => choose(false));
    byId("unfold").addEventListener("click", () => {
      choose(true);
      state.tree.unfold();
    });
  }
  choose(Boolean(state.whole));
  addEventListener("hashchange", point);
}

function choose(isFolded) {
  state.isFolded = isFolded;
  byId("as-tree").setAttribute("aria-pressed", String(isFolded));
  byId("as-text").setAttribute("aria-pressed", String(!isFolded));
  if (isFolded) byId("bytes").replaceChildren(state.tree.element);
  else showText();
  point();
}

// The text exactly as it came, in parts, so that the first of them is there at once.
function showText() {
  const { text } = state;
  const pre = make("pre", {});
  const place = byId("bytes");
  place.replaceChildren(pre);
  place.setAttribute("aria-busy", "true");
  const path = state.whole && wantedPointer() !== null ? follow(state.whole, wantedPointer()) : null;
  const { start, end } = path?.at(-1) ?? { start: text.length, end: text.length };
  const parts = [
    ["", 0, start],
    ["mark", start, end],
    ["", end, text.length],
  ];
  const add = () => {
    const part = parts[0];
    const stop = Math.min(part[2], part[1] + TEXT_CHUNK);
    const piece = text.slice(part[1], stop);
    if (piece) pre.append(part[0] ? make("mark", {}, piece) : piece);
    part[1] = stop;
    if (stop >= part[2]) parts.shift();
    if (!parts.length) place.removeAttribute("aria-busy");
    else if (pre.isConnected) {
      // What is pointed to must be there when the page scrolls to it.
      if (parts.length > 1) add();
      else requestAnimationFrame(add);
    }
  };
  add();
}

// Bytes that are no text: sixteen in a line, with those that are letters beside them.
function showHex(bytes) {
  const pre = make("pre", {});
  const place = byId("bytes");
  place.replaceChildren(make("p", { class: "quiet" }, "This is no UTF-8 text; its bytes in hex:"), pre);
  let at = 0;
  const more = make("button", { type: "button", class: "quiet-button" }, "Show more");
  const add = () => {
    const lines = [];
    for (const stop = Math.min(bytes.length, at + HEX_CHUNK); at < stop; at += 16) {
      const part = [...bytes.subarray(at, Math.min(stop, at + 16))];
      const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const letters = part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
      lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${letters}\n`);
    }
    pre.append(lines.join(""));
    more.hidden = at >= bytes.length;
  };
  more.addEventListener("click", add);
  place.append(more);
  add();
}

function point() {
  const pointer = wantedPointer();
  const said = byId("pointed");
  for (const lit of document.querySelectorAll(".pointed")) lit.classList.remove("pointed");
  said.hidden = pointer === null;
  if (pointer === null) return;
  const value = state.whole && follow(state.whole, pointer)?.at(-1);
  if (!value) {
    said.textContent = `There is nothing at ${pointer} in this content.`;
    return;
  }
  const written = state.text.slice(value.start, value.end);
  said.replaceChildren(
    "At ",
    make("code", {}, pointer),
    " stands ",
    make("strong", { dir: "auto" }, written.length > 300 ? `${written.slice(0, 300)}…` : written),
  );
  if (!state.isFolded) {
    if (!byId("bytes").querySelector("mark")?.textContent.startsWith(written.slice(0, 50))) showText();
    byId("bytes").querySelector("mark")?.scrollIntoView({ block: "center" });
    return;
  }
  const element = state.tree.reveal(pointer);
  const lit = element.matches("details") ? element.querySelector("summary") : element;
  lit.classList.add("pointed");
  lit.scrollIntoView({ block: "center" });
}

async function askAgain(button) {
  const { tool, provider, params } = button.dataset;
  const told = byId("asked-again");
  button.setAttribute("aria-busy", "true");
  told.replaceChildren();
  try {
    const query = `provider=${encodeURIComponent(provider)}&mode=refresh`;
    const answer = await send("POST", `/api/tools/${tool}?${query}`, JSON.parse(params));
    told.replaceChildren(...answer.provenance.exchanges.map(tellExchange));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    told.replaceChildren(make("p", { class: "bad" }, error.message));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function tellExchange(exchange) {
  const number = exchange.changes?.length ?? 0;
  const words = number ? `${number} ${number === 1 ? "value" : "values"} changed.` : "Nothing changed.";
  const link = exchange.id ? make("a", { href: `/cache/${exchange.id}` }, "See the new recording") : null;
  return make("p", {}, make("strong", {}, words), " ", link);
}

if (byId("evidence")) start();
byId("ask-again")?.addEventListener("click", ({ currentTarget }) => askAgain(currentTarget));
