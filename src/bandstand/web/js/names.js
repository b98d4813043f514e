// What parts are called on the page, in words for people who did not build them.

import { byId } from "./dom.js";
import { featureTitle } from "./retrievers.js";

/** What says that one entity goes with another. */
export const SOURCES = {
  together: "chosen by the same people",
  asked: "chosen after the same queries",
  lists: "on the same lists",
  artist: "by the same artist",
  dense: "alike in meaning",
  attributes: "of the same kind",
};

/** A policy as the page's own list of policies calls it. */
export function policyName(policy) {
  return byId("policy").querySelector(`option[value="${CSS.escape(policy)}"]`)?.textContent ?? policy;
}

const tab = (kind) => byId("kinds").querySelector(`[data-kind="${CSS.escape(kind)}"]`);

/** What one of a kind is called, by the server, which makes the page's tabs. */
export const kindTitle = (kind) => tab(kind)?.dataset.title ?? kind;

/** What several of a kind are called. */
export const kindPlural = (kind) => tab(kind)?.textContent ?? kind;

const COLUMNS = {
  score: "score",
  rr: "rank",
  clicks: "clicks",
  plays: "plays",
  impressions: "times shown",
  predicted: "predicted, no click yet",
  own: "chosen by you before",
  distance: "distance of the remembered query",
  share: "share of the choices",
};

/** A feature of the ranker in words: "memory.clicks" is "memory: clicks". */
export function featureName(feature) {
  const [arm, column] = feature.split(".");
  if (column) return `${arm}: ${COLUMNS[column] ?? column.replaceAll("_", " ")}`;
  return featureTitle(feature) ?? feature.replaceAll("_", " ");
}
