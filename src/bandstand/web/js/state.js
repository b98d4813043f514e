// What the page shows, as its address says it: a link, the back button and a reload all give the same page.

export const PAGE = 10;
export const LIMIT = 100;

/** The state of an address. */
export function read(address = location) {
  const given = new URLSearchParams(address.search);
  const shown = Math.round(Number(given.get("n") ?? PAGE) / PAGE) * PAGE;
  return {
    q: given.get("q") ?? "",
    kind: given.get("kind") ?? "",
    policy: given.get("policy") ?? "",
    against: given.get("against") ?? "",
    mix: given.has("mix"),
    sections: given.get("by") === "kind",
    literal: given.has("literal"),
    filters: given
      .getAll("filter")
      .map((text) => text.split(/:(.*)/s, 2)) // at the first colon: a value may hold some itself
      .filter(([, value]) => value),
    n: Math.min(Math.max(shown, PAGE), LIMIT),
  };
}

/** The address of a state; what is as usual is left out. */
export function write({ q, kind, policy, against, mix, sections, literal, filters, n }) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries({ q, kind, policy, against })) if (value) given.set(name, value);
  if (mix && against) given.set("mix", "1");
  if (sections) given.set("by", "kind");
  if (literal) given.set("literal", "1");
  for (const [name, value] of filters) given.append("filter", `${name}:${value}`);
  if (n !== PAGE) given.set("n", String(n));
  return given.size ? `/?${given}` : "/";
}

/** The part of a search request that the state decides, for one policy. */
export function request({ q, kind, against, sections, literal, filters, n }, policy) {
  const byName = {};
  for (const [name, value] of filters) if (name !== "year") (byName[name] ??= []).push(value);
  const years = filters.filter(([name]) => name === "year").map(([, value]) => Number(value));
  if (years.length > 0) byName.year = { gte: Math.min(...years), lte: Math.max(...years) };
  return {
    query: q,
    k: n,
    ...(kind && { kinds: [kind] }),
    ...(sections && !kind && !against && { sections: true }),
    ...(policy && { policy }),
    ...(literal && { correct: false }),
    ...(filters.length && { filters: byName }),
  };
}
