// Bandstand's HTTP API as this page uses it: the same public routes that every client has.

/** What went wrong, in words for the reader. `status` is 0 where no answer came at all. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const KEY = "bandstand.key";

/** Let every request of this tab carry a key from now on. */
export const holdKey = (key) => sessionStorage.setItem(KEY, key);

/** One request; an answer that is no success is a `Problem`. With `keepalive` it goes out while the page is left. */
export async function call(method, path, { body, signal, keepalive } = {}) {
  const key = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      keepalive,
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

export const undoSynonymChange = (id) => call("POST", `/v1/synonyms/changes/${encodeURIComponent(id)}/undo`);

export const addSynonym = (line) => call("POST", "/v1/synonyms", { body: { line } });

export const removeSynonym = (line) => call("DELETE", `/v1/synonyms?line=${encodeURIComponent(line)}`);

export const promote = (name, version) =>
  call("POST", `/v1/models/${name}/promote?version=${encodeURIComponent(version)}`);

export const rollback = (name) => call("POST", `/v1/models/${name}/rollback`);

export const forget = (user) => call("DELETE", `/v1/users/${encodeURIComponent(user)}`);

/** Send UBI events, also while the page is being left. Resolves to whether they are on disk. */
export function send(events) {
  return call("POST", "/v1/events", { body: events, keepalive: true }).then(
    ({ rejected }) => rejected.length === 0,
    () => false,
  );
}
