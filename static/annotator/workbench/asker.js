// Asks one thing at a time, says how it goes in one line, and keeps what is on the page when it fails.

import { ApiError, getJson, send } from "../api.js";
import { byId, make } from "../dom.js";
import { FieldError } from "./placefield.js";

export function say(text, { isBad = false, retry = null } = {}) {
  const status = byId("status");
  status.className = isBad ? "bad" : "";
  status.replaceChildren(
    text,
    ...(retry ? [" ", make("button", { type: "button", onclick: retry }, "Try again")] : []),
  );
}

export function makeAsker(bench) {
  let asking = null;
  let askedFrom = null; // What had the focus when something was asked; null once anything was typed or chosen since.

  document.addEventListener("input", () => {
    askedFrom = null;
  });

  // Whether who asked last still waits where they asked: whoever has gone on to something else is not to be pulled away
  // from it. What was removed meanwhile leaves the focus to the body.
  const isAwaited = () => [askedFrom, document.body].includes(document.activeElement);

  // Runs a request; a later one takes the place of an earlier one that is still on its way. Null when it failed, which is
  // said, or was overtaken. onfail(error) hears of failures that the server explained, if they are still waited for.
  async function run(words, request, { retry = null, onfail = null } = {}) {
    asking?.abort();
    const controller = new AbortController();
    asking = controller;
    askedFrom = document.activeElement;
    say(words);
    byId("centre").setAttribute("aria-busy", "true");
    try {
      return await request(controller.signal);
    } catch (error) {
      if (error.name === "AbortError") return null;
      if (error instanceof FieldError) {
        say(error.message, { isBad: true });
        if (isAwaited()) error.input.focus();
        return null;
      }
      if (!(error instanceof ApiError)) throw error;
      // What was refused for what it says is refused again.
      const isWorthIt = error.status === 0 || error.status >= 429;
      if (!controller.signal.aborted) say(error.message, { isBad: true, retry: isWorthIt ? retry : null });
      if (isAwaited()) onfail?.(error);
      return null;
    } finally {
      if (asking === controller) {
        asking = null;
        byId("centre").removeAttribute("aria-busy");
      }
    }
  }

  async function call(tool, params, { provider, mode, signal } = {}) {
    const query = new URLSearchParams();
    if (provider) query.set("provider", provider);
    if (mode && mode !== "record") query.set("mode", mode);
    const text = query.size ? `?${query}` : "";
    const answer = await send("POST", bench.api(`/tools/${tool}${text}`), params, { signal });
    keep(answer, { isFresh: true });
    return answer;
  }

  async function recorded(callId, { signal } = {}) {
    if (bench.answers.has(callId)) return bench.answers.get(callId);
    const answer = await getJson(bench.api(`/calls/${callId}`), { signal });
    keep(answer);
    return answer;
  }

  // isFresh: somebody has just asked; otherwise a recording is looked at again.
  function keep(answer, { isFresh = false } = {}) {
    if (answer.id) bench.answers.set(answer.id, answer);
    bench.emit("answer", { answer, isFresh });
  }

  return { run, call, recorded, isAwaited };
}
