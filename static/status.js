// Keeps the status page current. Without it the page still shows the state at the time it was loaded.
"use strict";

const POLL_MS = 2000;
const MAX_ROWS = 200;
const byId = (id) => document.getElementById(id);
const setText = (id, text) => {
  if (byId(id).textContent !== text) byId(id).textContent = text;
};
const count = (value) => value.toLocaleString("en");

function cell(text, isNumber) {
  const td = document.createElement("td");
  td.textContent = text;
  if (isNumber) td.className = "number";
  return td;
}

function rowOf(row) {
  const tr = document.createElement("tr");
  const id = document.createElement("code");
  id.textContent = row.request_id;
  const first = document.createElement("td");
  first.append(id, row.sample_index ? ` #${row.sample_index}` : "");
  tr.append(
    first,
    cell(row.variant),
    cell(row.state),
    cell(count(row.prompt_tokens), true),
    cell(count(row.generated_tokens), true),
    cell(count(row.pages), true),
    cell(row.age_s.toFixed(1), true),
  );
  return tr;
}

function show(status) {
  setText("model", status.model ?? "no model yet");
  setReadiness(status.is_ready, status.is_ready ? "Ready" : `Not ready: ${status.reason}`);
  for (const name of ["num_running", "num_waiting", "pages_used", "pages_total", "pages_cached"]) {
    setText(name, count(status[name]));
  }
  setText("tokens_per_s", count(Math.round(status.tokens_per_s)));
  byId("pages_meter").max = Math.max(1, status.pages_total);
  byId("pages_meter").value = status.pages_used;
  setText("variants", status.variants.join(", ") || "–");
  setText("max_model_len", status.max_model_len ? `${count(status.max_model_len)} tokens` : "–");
  setText("kv", status.kv_format ? `${status.kv_format}, ${count(status.kv_token_bytes)} bytes a position` : "–");
  for (const name of ["device", "dtype", "attention_backend"]) setText(name, status[name] ?? "–");
  setText("curl", status.curl);
  byId("rows").replaceChildren(...status.rows.slice(0, MAX_ROWS).map(rowOf));
  const hidden = status.rows.length > MAX_ROWS ? `The first ${MAX_ROWS} of ${count(status.rows.length)}.` : "";
  setText("more", status.rows.length ? hidden : "No request is running.");
  setText("updated", `· updated ${new Date().toLocaleTimeString()}`);
}

function setReadiness(isReady, text) {
  byId("readiness").className = `badge ${isReady ? "ok" : "warn"}`;
  setText("readiness", text);
}

async function poll() {
  try {
    const response = await fetch("/status.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    show(await response.json());
  } catch (error) {
    setReadiness(false, `No answer: ${error.message}. Trying again.`);
  }
  setTimeout(poll, POLL_MS);
}

if (navigator.clipboard) {
  byId("copy").hidden = false;
  byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("curl").textContent);
    setText("copy", "Copied");
    setTimeout(() => setText("copy", "Copy"), 1500);
  });
}
setTimeout(poll, POLL_MS);
