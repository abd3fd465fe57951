// Asks MapQaTor's JSON API. Every failure is an ApiError with one line for people.

export class ApiError extends Error {
  constructor(message, { code = "unreachable", param = null } = {}) {
    super(message);
    this.code = code;
    this.param = param;
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
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.ok && body !== null) return body;
  const detail = body?.error;
  throw new ApiError(detail?.message ?? `MapQaTor answered ${response.status} without a reason.`, detail);
}

export const getJson = (path) => read(path, { headers: { accept: "application/json" } });

export function callTool(tool, params, { provider, signal } = {}) {
  const query = provider ? `?provider=${encodeURIComponent(provider)}` : "";
  return read(`/api/tools/${tool}${query}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(params),
    signal,
  });
}
