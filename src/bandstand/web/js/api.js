// Bandstand's HTTP API as this page uses it: the same public routes that every client has.

/** What went wrong, in words for the reader. `status` is 0 where no answer came at all. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** One request; an answer that is no success is a `Problem`. */
export async function call(method, path, { body, signal, key } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key && { "x-bandstand-key": key }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer.");
  }
  if (response.ok)
    return response.headers.get("content-type").startsWith("text/plain") ? response.text() : response.json();
  const detail = await response.json().then(
    (problem) => problem.detail,
    () => response.statusText,
  );
  throw new Problem(response.status, detail, Number(response.headers.get("retry-after") ?? 0));
}

export const search = (body, signal) => call("POST", "/v1/search", { body, signal });

export const suggest = (text, k, who, signal) =>
  call("GET", `/v1/suggest?${new URLSearchParams({ q: text, k, ...who })}`, { signal });

export const entity = (id, signal) => call("GET", `/v1/entities/${encodeURIComponent(id)}`, { signal });

export const related = (id, k) => call("GET", `/v1/entities/${encodeURIComponent(id)}/related?k=${k}`);

export const arms = () => call("GET", "/v1/arms");

export const metrics = () => call("GET", "/metrics");

export const models = () => call("GET", "/v1/models");

export const synonyms = () => call("GET", "/v1/synonyms");

export const synonymChanges = () => call("GET", "/v1/synonyms/changes");

export const undoSynonymChange = (id, key) =>
  call("POST", `/v1/synonyms/changes/${encodeURIComponent(id)}/undo`, { key });

export const addSynonym = (line, key) => call("POST", "/v1/synonyms", { body: { line }, key });

export const removeSynonym = (line, key) => call("DELETE", `/v1/synonyms?line=${encodeURIComponent(line)}`, { key });

export const promote = (name, version, key) =>
  call("POST", `/v1/models/${name}/promote?version=${encodeURIComponent(version)}`, { key });

export const rollback = (name, key) => call("POST", `/v1/models/${name}/rollback`, { key });

export const forget = (user) => call("DELETE", `/v1/users/${encodeURIComponent(user)}`);

/** Send UBI events. Resolves to whether they are on disk. */
export function send(events) {
  return call("POST", "/v1/events", { body: events }).then(
    () => true,
    () => false,
  );
}

/** Send UBI events while the page is being left: only a beacon still goes out, and nothing comes back. */
export function sendLeaving(events) {
  navigator.sendBeacon("/v1/events", new Blob([JSON.stringify(events)], { type: "application/json" }));
}
