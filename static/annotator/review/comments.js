// Comments are forms of the page; editing one's own turns its words into a form in their place.

import { make } from "../dom.js";
import { project } from "./item.js";

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-edit]");
  if (!button) return;
  const own = button.closest(".own");
  const said = own.previousElementSibling;
  const area = make("textarea", { name: "body", rows: 4, maxlength: 20000, required: true, dir: "auto" }, button.dataset.body);
  const form = make(
    "form",
    { class: "say", "data-api": `PATCH /api/projects/${project}/comments/${button.dataset.edit}`, "data-refresh": "#comments" },
    make("label", {}, "Your comment", area),
    make("p", { role: "alert" }),
    make(
      "div",
      { class: "actions" },
      make("button", { type: "submit" }, "Save"),
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            form.remove();
            said.hidden = own.hidden = false;
          },
        },
        "Leave it",
      ),
    ),
  );
  said.hidden = own.hidden = true;
  said.before(form);
  area.focus();
});
