// "Why this?": one hit, where it came from, what moved it, what is known about it, and what goes with it.

import { entity, related as alike, search } from "./api.js";
import { byId, fill, h, percent, short } from "./dom.js";
import { reportRelated } from "./events.js";
import { hue, tile } from "./hits.js";
import { icon } from "./icons.js";
import { SOURCES, featureName, kindTitle } from "./names.js";
import { named, title } from "./retrievers.js";

const SHOWN = 7;
const RELATED = 6;
const READINGS = 3;

/** Open the sheet of an entry. `filter(name, value)` and `open(text)` are called for what is chosen there. */
export async function openSheet(entry, { filter, open }) {
  const { hit } = entry;
  const sheet = byId("sheet");
  const why = h("div", { class: "why", "aria-busy": "true" }, h("p", { class: "quiet" }, "Looking …"));
  const facts = h("div", {});
  const related = h("div", {});
  const close = h(
    "button",
    { type: "button", class: "icon", "aria-label": "Close", on: { click: () => sheet.close() } },
    icon("close"),
  );
  fill(
    sheet,
    h(
      "header",
      { vars: { hue: hue(hit.artists[0] ?? hit.title) } },
      tile(hit),
      h(
        "div",
        {},
        h("h2", { id: "sheet-title", dir: "auto" }, hit.title),
        h("p", { dir: "auto" }, [kindTitle(hit.kind), ...hit.artists].join(" · ")),
      ),
      close,
    ),
    why,
    facts,
    related,
  );
  sheet.showModal();
  const follow = (text) => {
    sheet.close();
    open(text);
  };
  await Promise.all([
    explained(entry)
      .then((parts) => fill(why, parts), failedIn(why))
      .then(() => why.removeAttribute("aria-busy")),
    entity(hit.entity_id).then((found) => fill(facts, known(found, filter)), failedIn(facts)),
    alike(hit.entity_id, RELATED).then((answer) => fill(related, others(answer, follow)), failedIn(related)),
  ]);
}

const failedIn = (element) => (error) => fill(element, h("p", { class: "failed" }, error.message));

/** The same page of the same search again, this hit alone, with features and contributions. */
async function explained({ hit, answer }) {
  const body = { query: answer.query.text, query_id: answer.query_id, offset: hit.position - 1, k: 1, explain: true };
  const { hits, readings = [] } = await search(body);
  const [found] = hits;
  return [broughtBy(hit), remembered(found.explain.features), moved(found), read(readings)];
}

/** How the query was read: what its words may mean, the likeliest reading first. */
function read(readings) {
  const some = readings.filter(({ senses }) => senses.length > 0).slice(0, READINGS);
  if (some.length === 0) return null;
  return h(
    "section",
    {},
    h("h3", {}, "How the query was read"),
    h(
      "ol",
      { class: "readings" },
      some.map(({ probability, senses }) =>
        h(
          "li",
          {},
          h("b", {}, percent(probability)),
          " ",
          senses.flatMap((sense, at) => [at > 0 && "; ", ...meaning(sense)]),
        ),
      ),
    ),
  );
}

function meaning({ words, slot, value, prior, likelihood, posterior }) {
  const numbers = `prior ${short(prior, 3)}, likelihood ${short(likelihood, 3)}, posterior ${short(posterior, 3)}`;
  return [h("q", { title: numbers }, h("bdi", {}, words)), ` as ${slot} `, h("bdi", {}, value), ` (${numbers})`];
}

function broughtBy({ sources, position }) {
  const rows = Object.entries(sources).sort((a, b) => a[1].rank - b[1].rank);
  return h(
    "section",
    {},
    h("h3", {}, `Why it stands at ${position}`),
    h(
      "table",
      {},
      h("caption", {}, "Retrievers that brought it"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Retriever", "Rank", "Score"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(([arm, { rank, score }]) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              named(arm),
              h("span", { class: "note" }, title(arm)),
            ),
            h("td", {}, short(rank)),
            h("td", {}, score === null ? "–" : short(score, 3)),
          ),
        ),
      ),
    ),
  );
}

function remembered(features) {
  const clicks = features["memory.clicks"];
  if (clicks == null) return h("p", { class: "quiet" }, "The memory holds nothing about it for this query yet.");
  const parts = [
    `${short(clicks)} clicks`,
    `${short(features["memory.plays"] ?? 0)} plays`,
    `shown ${short(features["memory.impressions"] ?? 0)} times`,
  ];
  const own = features["memory.own"] > 0 ? " You chose it for this query before." : "";
  const expected = features["memory.predicted"] > 0 ? " Before any click it was expected to answer this query." : "";
  return h("p", {}, `Remembered for this query, older actions counting less: ${parts.join(", ")}.${own}${expected}`);
}

function moved({ explain, score }) {
  const entries = Object.entries(explain.contributions)
    .filter(([, value]) => value !== 0)
    .slice(0, SHOWN);
  if (entries.length === 0)
    return h(
      "p",
      { class: "quiet" },
      "Another ranker serves by now than made this page: what moved it is not known any more.",
    );
  const most = Math.max(...entries.map(([, value]) => Math.abs(value)));
  return h(
    "section",
    {},
    h("h3", {}, "What moved it"),
    h(
      "ol",
      { class: "moved" },
      entries.map(([name, value]) =>
        h(
          "li",
          { class: value < 0 ? "down" : "up" },
          h("span", {}, featureName(name)),
          h("meter", { min: 0, max: most, value: Math.abs(value), "aria-hidden": "true" }),
          h("b", {}, `${value < 0 ? "−" : "+"}${short(Math.abs(value), 2)}`),
        ),
      ),
    ),
    h("p", { class: "quiet" }, `The largest of the parts that add up to its score, ${short(score, 2)}.`),
  );
}

function known({ album, released, aliases = [], attributes = {}, popularity = 0, members = [] }, filter) {
  const facts = {
    Album: album,
    Released: released,
    "Also known as": aliases.join(", "),
    Popularity: popularity && short(popularity, 2),
    Holds: members.length && `${members.length} entries`,
  };
  const chips = Object.entries(attributes).flatMap(([name, values]) =>
    Object.keys(values).map((value) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          title: `Only ${name}: ${value}`,
          on: { click: () => (byId("sheet").close(), filter(name, value)) },
        },
        value,
      ),
    ),
  );
  return [
    h(
      "dl",
      {},
      Object.entries(facts)
        .filter(([, value]) => value)
        .map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)])
        .flat(),
    ),
    chips.length > 0 && h("div", { class: "filters" }, chips),
  ];
}

function others({ entity_id, related }, follow) {
  if (related.length === 0) return null;
  const open = (found) => {
    reportRelated(found, entity_id);
    follow([found.title, ...found.artists.slice(0, 1)].join(" "));
  };
  return h(
    "section",
    {},
    h("h3", {}, "Related"),
    h(
      "ul",
      { class: "related" },
      related.map((found) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", title: because(found.sources), on: { click: () => open(found) } },
            tile(found),
            h("span", { dir: "auto" }, h("b", {}, found.title), " ", h("span", {}, found.artists.join(", "))),
          ),
        ),
      ),
    ),
  );
}

/** Which sources say that it goes with the hit, the surest first. */
function because(sources) {
  const sure = Object.entries(sources).sort((a, b) => b[1] - a[1]);
  return sure.map(([source, share]) => `${SOURCES[source] ?? source} ${short(share, 2)}`).join(", ");
}
