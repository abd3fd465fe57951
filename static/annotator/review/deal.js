// Dealing questions out: a look at the plan first, then the same plan in earnest.

import { ApiError, send } from "../api.js";
import { byId } from "../dom.js";
import { refresh } from "../forms.js";
import { count } from "../format.js";

const form = byId("deal");
const api = `/api/projects/${document.body.dataset.project}/assignments/bulk`;

function wanted() {
  const data = new FormData(form);
  const body = { usernames: data.getAll("usernames"), kind: data.get("kind"), overlap: Number(data.get("overlap")) };
  for (const name of ["status", "type", "category"]) if (data.get(name)) body[name] = data.get(name);
  if (data.get("num_per_person")) body.num_per_person = Number(data.get("num_per_person"));
  return body;
}

async function deal(isTrial) {
  const alert = form.querySelector("[role=alert]");
  alert.textContent = byId("plan").textContent = "";
  const body = wanted();
  if (!body.usernames.length) {
    alert.textContent = "Tick at least one person.";
    return;
  }
  try {
    const dealt = await send("POST", api, { ...body, dry_run: isTrial });
    const people = Object.entries(dealt.per_person).map(([name, number]) => `${name} ${number}`);
    const short = dealt.num_short ? ` ${count(dealt.num_short, "place")} cannot be filled: nobody is left for them.` : "";
    const lead = isTrial ? "Would give" : "Gave";
    byId("plan").textContent = `${lead} ${count(dealt.num_given, "task")} for ${count(dealt.num_questions, "question")}: ${people.join(", ")}.${short}`;
    if (!isTrial) await refresh("#tasks");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    alert.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  deal(false);
});
byId("try").addEventListener("click", () => deal(true));
