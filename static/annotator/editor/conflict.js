// Two people changed the same field: both versions side by side, and a choice for each field.

import { make } from "../dom.js";
import { OWN_NAME } from "./presence.js";

const NAMES = {
  body: "Question",
  gold: "Right answer",
  gold_keys: "Right options",
  items: "Items",
  title: "Name",
  type: "Type",
};
const title = (field) => NAMES[field] ?? field[0].toUpperCase() + field.slice(1).replaceAll("_", " ");

// A field's value as people read it.
function spoken(value) {
  if (value === null || value === undefined || value === "") return "(empty)";
  if (Array.isArray(value)) return value.length ? value.map(part).join("\n") : "(empty)";
  if (typeof value === "object") {
    return Object.entries(value)
      .filter(([, inner]) => inner !== null && inner !== "" && inner?.length !== 0)
      .map(([name, inner]) => `${name}: ${Array.isArray(inner) ? inner.join(", ") : inner}`)
      .join("\n");
  }
  return String(value);
}

function part(value) {
  if (typeof value !== "object" || value === null) return String(value);
  if ("pointer" in value) return `${value.role}: ${value.pointer} → ${JSON.stringify(value.value)}`;
  if ("kind" in value) return `${value.kind}: ${value.title || value.text || "standard heading"}`;
  return `${value.key}. ${value.text}`;
}

// Shows the conflict of `doc` in `place` for as long as there is one; what: "question" or "context".
export function conflictView(place, doc, what) {
  let shown = null;
  const draw = () => {
    if (doc.conflict === shown) return;
    shown = doc.conflict;
    if (!shown) {
      place.replaceChildren();
      return;
    }
    const name = shown.author?.display_name ?? "Somebody else";
    const author = name === OWN_NAME ? "Another tab of yours" : name;
    const choices = {};
    const apply = make("button", { type: "button", class: "main", disabled: true }, "Save these choices");
    apply.addEventListener("click", () => doc.resolve(choices));
    const fields = shown.fields.map((field) => {
      const pick = (choice, label, value) => {
        const radio = make("input", { type: "radio", name: `choice-${doc.id}-${field}`, value: choice });
        radio.addEventListener("change", () => {
          choices[field] = choice;
          apply.disabled = shown?.fields.some((each) => !choices[each]) ?? true;
        });
        return make(
          "div",
          { class: "side" },
          make("label", { class: "check" }, radio, label),
          make("pre", { dir: "auto", tabindex: "0", "aria-label": `${title(field)}: ${label}` }, spoken(value)),
        );
      };
      return make(
        "fieldset",
        { class: "choice" },
        make("legend", {}, title(field)),
        pick("mine", "Keep mine", doc.content[field]),
        pick("theirs", `Take theirs`, shown.current[field]),
      );
    });
    place.replaceChildren(
      make(
        "section",
        { class: "conflict", role: "group", "aria-label": `Changed by two people` },
        make(
          "p",
          { role: "alert" },
          `${author} changed the same part of this ${what} meanwhile. Nothing is lost: choose for each.`,
        ),
        ...fields,
        make("div", { class: "tools-row" }, apply),
      ),
    );
  };
  doc.addEventListener("state", draw);
  draw();
}
