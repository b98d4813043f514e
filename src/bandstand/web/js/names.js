// What parts are called on the page, in words for people who did not build them.

import { byId } from "./dom.js";

export const KIND = {
  track: "Song",
  artist: "Artist",
  album: "Album",
  playlist: "Playlist",
  station: "Station",
  podcast: "Podcast",
};

export const ARMS = {
  memory: "what people chose after this query",
  lexical: "words of titles and names (BM25)",
  structured: "what the words are read as: names, genres, years",
  alike: "what people chose after queries that led to the same",
  personal: "what this listener chose before",
  fresh: "new, and rising now",
  trigram: "spelt alike, letter by letter",
  rephrase: "what people chose after queries that mean the same",
  dense: "alike in meaning (MiniLM)",
};

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

/** A kind as the page's own tabs call it. */
export function kindName(kind) {
  return byId("kinds").querySelector(`[data-kind="${CSS.escape(kind)}"]`)?.textContent ?? kind;
}

const FEATURES = {
  title_exact: "the title is the query",
  title_prefix: "the title begins with the query",
  title_ratio: "spelling like the title",
  name_ratio: "spelling like artist and title",
  token_coverage: "words of the query that it has",
  artist_in_query: "the query names the artist",
  popularity: "popularity",
  age: "age of the release",
  kind: "kind",
  slot_match: "genre, mood or era as asked for",
  name_match: "the query names it, or whose it is",
  query_length: "length of the query",
  query_words: "words of the query",
};

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
  return FEATURES[feature] ?? feature.replaceAll("_", " ");
}
