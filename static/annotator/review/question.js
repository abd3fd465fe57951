// One question: keys for what can be done with it.

import { byId } from "../dom.js";
import { bind } from "../keys.js";
import "./comments.js";
import { onItem } from "./item.js";

function wire() {
  const links = [
    ["next", "J", "Next question"],
    ["previous", "K", "Previous question"],
    ["edit", "E", "Open in the workbench"],
    ["judge", "R", "Review or adjudicate"],
    ["submit", "Mod+Enter", "Submit"],
  ];
  for (const [id, key, label] of links) {
    bind(`question.${id}`, key, label, () => byId(id)?.click(), { control: byId(id), when: () => byId(id) !== null });
  }
  const comment = () => byId("new-comment")?.focus();
  bind("question.comment", "C", "Comment", comment, { control: byId("say"), when: () => byId("say") !== null });
}

onItem(wire);
