// Signing in, secrets that are shown once, and forms that need more than forms.js does by itself.

import { ApiError, getJson } from "./api.js";
import { byId, make } from "./dom.js";
import { count } from "./format.js";
import { toast } from "./toast.js";

// The server has checked where to go: its own paths only.
document.addEventListener("sent", ({ target, detail }) => {
  if (target.matches("[data-go]")) location.assign(detail.next);
  const box = target.querySelector(".secret");
  if (!box || !detail[target.dataset.secret]) return;
  box.hidden = false;
  const code = box.querySelector("code");
  code.textContent = detail[target.dataset.secret];
  code.focus();
  for (const field of target.querySelectorAll("input:not([type=number], [type=checkbox])")) field.value = "";
});

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    toast("Copied.");
  } catch {
    getSelection().selectAllChildren(code);
    toast("Select and copy it yourself: this browser does not let pages copy.", { isBad: true });
  }
});

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-show-secret]");
  if (!button) return;
  try {
    const { secret } = await getJson(button.dataset.showSecret);
    const line = button.closest("article").querySelector(".field");
    line.hidden = false;
    line.querySelector("code").textContent = secret;
    line.querySelector("code").focus();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
  }
});

// What this browser keeps of its own goes along with what the account keeps.
document.addEventListener("click", ({ target }) => {
  const { forget } = target.closest?.("[data-forget]")?.dataset ?? {};
  if (forget) localStorage.removeItem(forget);
});

// A choice of role acts at once, and can be undone by choosing again.
document.addEventListener("change", ({ target }) => {
  if (target.matches?.("form.at-once select")) target.form.requestSubmit();
});

// A field that names what the request is about stands in its path, and not in its body.
document.addEventListener("input", ({ target }) => {
  if (!target.matches?.("[data-in-path]")) return;
  const { form } = target;
  form.dataset.path ??= form.dataset.api;
  form.dataset.api = form.dataset.path + encodeURIComponent(target.value.trim().toLowerCase());
});

async function checkLog() {
  const verdict = byId("verdict");
  verdict.replaceChildren(make("p", { class: "quiet" }, "Checking…"));
  try {
    const { is_whole: isWhole, num_rows: numRows, head, faults } = await getJson("/api/admin/audit/verify");
    verdict.replaceChildren(
      isWhole
        ? make("p", { class: "ok" }, `✓ All ${count(numRows, "row")} are as they were written.`)
        : make("p", { class: "bad" }, `✗ ${count(faults.length, "fault")} in ${count(numRows, "row")}:`),
      make("ul", {}, ...faults.map(({ seq, reason }) => make("li", {}, `Row ${seq}: ${reason}.`))),
      make("p", { class: "quiet" }, "Hash of the last row, to note elsewhere: ", make("code", {}, head)),
    );
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    verdict.replaceChildren(make("p", { class: "bad" }, error.message));
  }
}

byId("verify")?.addEventListener("click", checkLog);

const firstField = byId("main").querySelector("[autofocus]");
if (firstField && document.activeElement === document.body) firstField.focus();
