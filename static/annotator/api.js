// Asks MapQaTor's JSON API. Every failure is an ApiError with one line for people.

export class ApiError extends Error {
  // status 0: the server could not be reached, and what was to be sent is still to be sent.
  constructor(message, { code = "unreachable", param = null, detail = null } = {}, status = 0) {
    super(message);
    this.code = code;
    this.param = param;
    this.detail = detail;
    this.status = status;
  }
}

async function read(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("MapQaTor does not answer. What is on this page is kept; try again when it is back.");
  }
  let body = null;
  try {
    body = response.status === 204 ? {} : await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.ok && body !== null) return body;
  if (response.status === 401 && !location.pathname.startsWith("/login")) {
    const back = encodeURIComponent(location.pathname + location.search);
    document.dispatchEvent(new CustomEvent("signed-out", { detail: { href: `/login?next=${back}` } }));
  }
  const detail = body?.error;
  const words = detail?.message ?? `MapQaTor answered ${response.status} without a reason.`;
  throw new ApiError(words, detail ?? { code: "unknown" }, response.status);
}

const csrf = document.querySelector('meta[name="csrf"]')?.content;

export const getJson = (path, { signal } = {}) => read(path, { headers: { accept: "application/json" }, signal });

// send("PUT", "/api/…", {…}); keepalive lets it end although the page is being left.
export function send(method, path, body, { signal, keepalive = false } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csrf) headers["x-csrf-token"] = csrf;
  return read(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, keepalive });
}

export function callTool(tool, params, { provider, signal } = {}) {
  const query = provider ? `?provider=${encodeURIComponent(provider)}` : "";
  return send("POST", `/api/tools/${tool}${query}`, params, { signal });
}
