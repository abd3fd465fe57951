// Adjudicating: what gold is where people disagree.

import { ApiError, send } from "../api.js";
import { byId } from "../dom.js";
import { bind } from "../keys.js";
import { toast } from "../toast.js";
import { keepExclusive, readGiven } from "./given.js";
import { item, numberOf, onItem, questionApi, show, wireBeside } from "./item.js";

const WORDS = { approve: "decided and approved", request_changes: "sent back", reject: "rejected" };
let isBusy = false;

const form = () => byId("decision");

async function decide(outcome) {
  if (isBusy || !form()) return;
  isBusy = true;
  const alert = form().querySelector("[role=alert]");
  alert.textContent = "";
  const { number, n } = item().dataset;
  const next = numberOf(byId("next"));
  try {
    await send("POST", `${questionApi()}/adjudications`, {
      n: Number(n),
      gold: readGiven(form(), JSON.parse(form().dataset.gold)),
      reason_code: form().elements.reason_code.value,
      comment: form().elements.comment.value,
      outcome,
    });
    await show("adjudicate", next);
    toast(`Question ${number} is ${WORDS[outcome]}.`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    alert.textContent = error.message;
    if (error.param === "comment") byId("why").focus();
  } finally {
    isBusy = false;
  }
}

// The most likely reason follows from what is marked; whoever decides may say another.
function guessReason() {
  const given = JSON.stringify(readGiven(form(), JSON.parse(form().dataset.gold)));
  const was = form().dataset.start;
  const reason = form().elements.reason_code;
  if (given === '{"unanswerable":true}') reason.value = "unanswerable";
  else reason.value = given === was ? "gold_right" : "gold_wrong";
}

function wire() {
  if (!form()) return;
  const group = "Adjudicating";
  keepExclusive(form());
  form().dataset.start = JSON.stringify(readGiven(form(), JSON.parse(form().dataset.gold)));
  form().addEventListener("submit", (event) => event.preventDefault());
  form().addEventListener("input", ({ target }) => {
    if (target.name !== "reason_code" && target.name !== "comment") guessReason();
  });
  for (const [id, key, label, outcome] of [
    ["approve", "A", "Decide, approve and next", "approve"],
    ["request", "R", "Send back", "request_changes"],
    ["reject", "X", "Reject", "reject"],
  ]) {
    byId(id).addEventListener("click", () => decide(outcome));
    bind(`adjudicate.${id}`, key, label, () => decide(outcome), { control: byId(id), group });
  }
  const fields = () => [...form().querySelectorAll("input[name=key]:not([data-unanswerable])")];
  for (let digit = 1; digit <= 9; digit += 1) {
    const when = () => form() !== null && fields().length >= digit;
    bind(`adjudicate.${digit}`, `${digit}`, `Mark option ${digit}`, () => fields()[digit - 1].click(), { group, when });
  }
  bind("adjudicate.0", "0", "Mark “The context does not say”", () => form().querySelector("[data-unanswerable]").click(), {
    when: () => form() !== null,
    group,
  });
  wireBeside("adjudicate");
}

onItem(wire);
