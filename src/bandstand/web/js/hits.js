// One result as a row: what it is, which retrievers brought it, and what can be done with it.

import { h } from "./dom.js";
import { highlighted } from "./highlight.js";
import { icon } from "./icons.js";
import { kindTitle } from "./names.js";
import { named } from "./retrievers.js";

/** A stable hue for a text, so that an artist's tiles have the same colour everywhere. */
export function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (31 * sum + letter.codePointAt(0)) % 360;
  return sum;
}

/** The picture of an entity; a coloured tile with the first letter where there is none, or until it is there. */
export function tile(hit) {
  const name = hit.artists[0] ?? hit.title;
  const initial = [...hit.title].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "♪";
  return h(
    "span",
    { class: `tile tile-${hit.kind}`, "aria-hidden": "true", vars: { hue: hue(name) } },
    initial.toUpperCase(),
    hit.image && h("img", { src: hit.image, alt: "", loading: "lazy", on: { error: ({ target }) => target.remove() } }),
  );
}

/** Seconds as minutes and seconds, 4:21. */
const length = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** A link to where an entity can be played or read about; following it counts as opening it. */
function link(hit, visit) {
  const label = `Open ${hit.title} where it is from`;
  const where = { href: hit.url, target: "_blank", rel: "noopener noreferrer" };
  return h("a", { class: "icon act-link", title: "Open", "aria-label": label, ...where, on: { click: visit } }, icon("link"));
}

/**
 * The row of an entry (a hit, the answer that it is from, the position shown at). `act(action, entry)` is called for
 * open, visit, play, save, skip and why; `saved` says which entities are saved already.
 */
export function row(entry, { queryWords, act, saved }) {
  const { hit, team } = entry;
  const kind = hit.kind === "track" ? null : kindTitle(hit.kind);
  const facts = [hit.artists.join(", "), hit.album, hit.year, kind, hit.duration && length(hit.duration)];
  const button = (action, label, extra = {}) =>
    h(
      "button",
      {
        type: "button",
        class: `icon act-${action}`,
        title: label.split(" ")[0],
        "aria-label": label,
        ...extra,
        on: { click: () => act(action, entry) },
      },
      icon(action),
    );
  return h(
    "li",
    { class: "hit", data: { id: hit.entity_id, ...(team && { team: team.team }) } },
    tile(hit),
    h(
      "div",
      { class: "what" },
      h(
        "button",
        { type: "button", class: "title", dir: "auto", on: { click: () => act("open", entry) } },
        highlighted(hit.title, queryWords),
      ),
      h("p", { class: "facts" }, separated(facts.filter(Boolean), queryWords)),
    ),
    h("p", { class: "sources", "aria-label": "Brought by" }, Object.entries(hit.sources).map(source)),
    h(
      "div",
      { class: "acts" },
      hit.url && link(hit, () => act("visit", entry)),
      button("play", `Play ${hit.title}`),
      button("save", `Save ${hit.title}`, { "aria-pressed": String(saved.has(hit.entity_id)) }),
      button("skip", `Skip ${hit.title}`),
      button("why", `Why ${hit.title}?`, { "aria-haspopup": "dialog" }),
    ),
  );
}

function separated(facts, queryWords) {
  return facts.flatMap((fact, index) => [index > 0 && " · ", h("bdi", {}, highlighted(String(fact), queryWords))]);
}

function source([arm, { rank }]) {
  return named(arm, `${arm} ${rank}`, { title: `${arm} had it at rank ${rank}` });
}
