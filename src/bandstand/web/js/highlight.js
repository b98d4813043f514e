// Marks what the query and a name have in common, across case and accents: "sigur ros" marks "Sigur Rós".

import { h } from "./dom.js";

const LETTER = /[\p{L}\p{N}]/u;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
const MARKS = /\p{M}+/gu;

const fold = (text) => text.normalize("NFKD").replace(MARKS, "").toLowerCase();

/** The query's words, folded, longest first. */
export function words(query) {
  const found = fold(query)
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);
  return [...new Set(found)].sort((a, b) => b.length - a.length);
}

/** The text as nodes, with `<mark>` around every beginning of a word that is a word of the query. */
export function highlighted(text, queryWords) {
  const letters = [...text];
  const folded = letters.map(fold);
  const nodes = [];
  let plain = "";
  for (let at = 0; at < letters.length;) {
    const length = startsWord(letters, at) ? matched(folded, at, queryWords) : 0;
    if (length === 0) {
      plain += letters[at++];
      continue;
    }
    if (plain) nodes.push(plain);
    nodes.push(h("mark", {}, letters.slice(at, at + length).join("")));
    plain = "";
    at += length;
  }
  return plain ? [...nodes, plain] : nodes;
}

function startsWord(letters, at) {
  return at === 0 || !LETTER.test(letters[at - 1]) || UNSPACED.test(letters[at]);
}

/** How many letters from `at` on spell one of the words; 0 for none. */
function matched(folded, at, queryWords) {
  for (const word of queryWords) {
    let spelt = "";
    let end = at;
    while (end < folded.length && spelt.length < word.length) spelt += folded[end++];
    if (spelt === word) return end - at;
  }
  return 0;
}
