// What could be wrong, said beside what it is about while somebody types, with the fix as a button.

import { ApiError, send } from "../api.js";
import { make } from "../dom.js";

const PAUSE_MS = 350;
const SIGNS = { error: "Error", warning: "Warning", hint: "Hint" };

const isShown = (element) => !element.closest("[hidden]");

function placeOf(form, about) {
  const places = [...form.querySelectorAll("[data-lint]")].filter(isShown);
  for (const wanted of [
    about,
    about.split(".")[0],
    { gold_keys: "gold", tags: "category", difficulty: "category" }[about],
    "",
  ]) {
    const found = places.find((place) => place.dataset.lint === wanted);
    if (found) return found;
  }
  return places.at(-1);
}

export function wireLint(form, { current, fix }) {
  let timer = null;
  let last = 0;
  let shownWords = "";

  function show(findings) {
    const words = JSON.stringify(findings.map(({ code, message, about }) => [code, message, about]));
    // Drawn anew only when it says something else: a fix that is about to be pressed stays where it is.
    if (words === shownWords && [...form.querySelectorAll("[data-lint] > li")].length === findings.length) return;
    shownWords = words;
    for (const place of form.querySelectorAll("[data-lint]")) place.replaceChildren();
    for (const finding of findings) {
      const place = placeOf(form, finding.about ?? "");
      place?.append(
        make(
          "li",
          { class: `finding ${finding.severity}`, "data-code": finding.code },
          make("span", {}, make("strong", {}, `${SIGNS[finding.severity]}: `), finding.message),
          finding.fix && make("button", { type: "button", onclick: () => fix(finding.fix.content) }, finding.fix.label),
        ),
      );
    }
  }

  async function check(content) {
    const mine = ++last;
    try {
      const { findings } = await send("POST", current().path.concat("/check"), { content });
      if (mine === last) show(findings);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Without the server the last findings stay; saving says what is wrong with the connection.
    }
  }

  return {
    show,
    check(content) {
      clearTimeout(timer);
      timer = setTimeout(() => check(content), PAUSE_MS);
    },
    forget() {
      clearTimeout(timer);
      last += 1;
      shownWords = "";
      show([]);
    },
  };
}
