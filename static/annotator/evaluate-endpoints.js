// Servers of models, for whoever administers the installation: listed, added, and removed with a way back.

import { ApiError, send } from "./api.js";
import { byId, make, named } from "./dom.js";
import { toast } from "./toast.js";

const PATH = "/api/evaluations/endpoints";
const LOCAL = "local";

function rowOf(endpoint) {
  const { name, base_url: address, model, secret_env: key, protocol, params } = endpoint;
  const told = [
    address,
    model && `asks ${model} by default`,
    key && `key in ${key}`,
    protocol === "react" && "tools in text (ReAct)",
    Object.keys(params).length > 0 && `sends ${JSON.stringify(params)}`,
  ].filter(Boolean);
  const remove = make("button", { type: "button", "aria-label": `Remove ${name}` }, "Remove");
  remove.addEventListener("click", () => removeIt(endpoint, remove));
  return make(
    "li",
    { "data-name": name },
    make("span", {}, named("strong", name), named("span", ` ${told.join(", ")}`, { class: "quiet" })),
    name === LOCAL ? make("span", { class: "quiet" }, "from --assist-url") : remove,
  );
}

// The list below and the choice above have the same endpoints.
function show(endpoint, { isChosen = false } = {}) {
  byId("endpoint-list").append(rowOf(endpoint));
  const select = byId("endpoint");
  if (select.disabled) select.replaceChildren();
  select.disabled = false;
  select.append(make("option", { value: endpoint.name }, `${endpoint.name}: ${endpoint.base_url}`));
  if (!isChosen) return;
  select.value = endpoint.name;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

async function removeIt(endpoint, button) {
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    await send("DELETE", `${PATH}/${encodeURIComponent(endpoint.name)}`);
  } catch (error) {
    button.removeAttribute("aria-busy");
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
    return;
  }
  const select = byId("endpoint");
  const wasChosen = select.value === endpoint.name;
  select.querySelector(`option[value="${CSS.escape(endpoint.name)}"]`)?.remove();
  button.closest("li").remove();
  if (!select.options.length) {
    select.append(make("option", { value: "" }, "none yet"));
    select.disabled = true;
  }
  if (wasChosen) select.dispatchEvent(new Event("change", { bubbles: true }));
  byId("endpoint-title").focus();
  toast(`Endpoint ${endpoint.name} is removed; runs that asked it stay.`, { action: "Undo", run: () => bringBack(endpoint) });
}

async function bringBack(endpoint) {
  try {
    show(await send("POST", PATH, endpoint), { isChosen: true });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
  }
}

function paramsOf(text) {
  if (!text.trim()) return {};
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw Object.assign(new ApiError('What is sent with every request is one JSON object, such as {"top_k": 20}.'), { param: "params" });
}

async function add(form) {
  const data = Object.fromEntries(new FormData(form));
  const body = { ...data, secret_env: data.secret_env.trim() || null, params: paramsOf(data.params) };
  const made = await send("POST", PATH, body);
  show(made, { isChosen: true });
  form.reset();
  toast(`Endpoint ${made.name} is added and chosen.`);
  byId("endpoint").focus();
}

export function wireEndpoints(form) {
  const alert = form.querySelector("[role=alert]");
  byId("endpoint-list").replaceChildren(...JSON.parse(byId("endpoints-data").textContent).map(rowOf));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    alert.textContent = "";
    try {
      await add(form);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      alert.textContent = error.message;
      form.elements[error.param]?.focus();
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}
