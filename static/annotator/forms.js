// Forms and buttons that speak to the JSON API, declared in the page:
//   <form data-api="POST /api/projects" data-then="/p/{slug}">…<p role="alert"></p></form>
//   <button data-api="DELETE /api/…" data-undo="POST /api/…/restore" data-done="Webhook removed." data-refresh="#hooks">
// data-body and data-undo-body: JSON to send.
// data-then: where to go, with fields of the answer in braces, or "reload". data-refresh: what of the page to draw anew.
// A field's name may have dots ("settings.min_reviews"); data-kind says "number", "flag", "list" or "lines" for what is no text.

import { ApiError, send } from "./api.js";
import { toast } from "./toast.js";

function valueOf(field) {
  const { kind } = field.dataset;
  if (field.type === "checkbox") return kind === "list" ? (field.checked ? [field.value] : []) : field.checked;
  const text = field.value.trim();
  if (kind === "number" || field.type === "number") return text === "" ? null : Number(text);
  if (kind === "flag") return text === "true";
  if (kind === "list") return text ? text.split(",").map((part) => part.trim()) : [];
  if (kind === "lines") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  return field.value;
}

export function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "file" || (field.type === "radio" && !field.checked)) continue;
    const steps = field.name.split(".");
    const last = steps.pop();
    let into = body;
    for (const step of steps) into = into[step] ??= {};
    const value = valueOf(field);
    into[last] = Array.isArray(value) && Array.isArray(into[last]) ? [...into[last], ...value] : value;
  }
  return body;
}

const filled = (template, values) =>
  template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name] ?? ""));

// Draws one part of the page anew from the server.
export async function refresh(selector) {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector(selector);
  const old = document.querySelector(selector);
  if (!fresh || !old) return;
  old.replaceWith(fresh);
  globalThis.htmx?.process(fresh);
}

// Says that it is done only when the page shows it: what is pressed right after must be about what is now.
async function finish({ then, refresh: selector, done }, answer, offer) {
  try {
    if (selector && !then) await refresh(selector);
  } finally {
    if (done) toast(filled(done, answer), offer);
  }
  if (then === "reload") location.reload();
  else if (then) location.assign(filled(then, answer));
}

async function run(element, body) {
  const [method, path] = element.dataset.api.split(" ");
  element.setAttribute("aria-busy", "true");
  const alert = element.querySelector?.("[role=alert]");
  if (alert) alert.textContent = "";
  try {
    const answer = await send(method, path, body);
    const { undo, undoBody = "{}" } = element.dataset;
    if (undo) {
      const [undoMethod, undoPath] = undo.split(" ");
      const run = () => send(undoMethod, filled(undoPath, answer), JSON.parse(undoBody)).then(() => finish({ ...element.dataset, done: "" }, answer));
      await finish({ done: "Done.", ...element.dataset }, answer, { action: "Undo", run });
    } else {
      await finish(element.dataset, answer);
    }
    element.dispatchEvent(new CustomEvent("sent", { bubbles: true, detail: answer }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (alert) {
      alert.textContent = error.message;
      if (error.param) element.querySelector(`[name="${CSS.escape(error.param)}"]`)?.focus();
    } else {
      toast(error.message, { isBad: true });
    }
  } finally {
    element.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  if (!form.hasAttribute("aria-busy")) run(form, bodyOf(form));
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-api]");
  if (!button || button.hasAttribute("aria-busy")) return;
  event.preventDefault();
  const { ask, body } = button.dataset;
  if (ask && !confirm(ask)) return;
  run(button, body ? JSON.parse(body) : {});
});
