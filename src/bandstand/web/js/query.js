// One query: its days, what the memory believes of its answers and why, and what an operator changes of it.

import { search } from "./api.js";
import { showChanges, undo } from "./changes.js";
import { byId, fill, h, percent, short } from "./dom.js";
import { order, read, section, told } from "./operator.js";

const FOUND = 8;
const DONE = {
  pin: "Pinned: it stands first",
  block: "Blocked: it is not shown for this query",
  score: "The belief is set",
};

/** Show a query; an empty text shows none. */
export function showQuery(text) {
  const element = byId("query");
  element.hidden = !text;
  if (!text) return Promise.resolve();
  return section(element, async () => {
    const page = await read(`query?text=${encodeURIComponent(text)}`);
    const now = standing(page.edits);
    fill(
      element,
      h("h2", { id: "query-title", tabindex: -1 }, h("q", {}, h("bdi", {}, page.text))),
      h("p", {}, counts(page)),
      page.days.length > 0 && days(page.days),
      h("h3", {}, "What the memory believes, and why"),
      page.beliefs.length > 0
        ? beliefs(page, now)
        : h("p", { class: "quiet" }, "Nothing: nobody chose anything for it, and nothing was predicted."),
      now.length > 0 && held(now, page.text),
      h("h3", {}, "Change what it answers"),
      adding(page.text),
    );
    byId("query-title").focus();
  });
}

function counts({ searches, clicked, satisfied }) {
  if (searches === 0) return "Asked by fewer people than must agree before a query is named; its counts are not shown.";
  return `Asked ${short(searches, 0)} times, clicked ${percent(clicked / searches)}, satisfied ${percent(satisfied / searches)}.`;
}

/** Searches by day, and how many of them were satisfied. */
function days(entries) {
  const most = Math.max(...entries.map(({ searches }) => searches));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "By day" },
    h(
      "table",
      { class: "days" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Day", "Asked", "Satisfied"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        entries
          .slice(-14)
          .map(({ day, searches, satisfied }) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, day),
              h("td", {}, h("meter", { min: 0, max: most, value: searches, "aria-hidden": "true" }), ` ${searches}`),
              h("td", {}, percent(satisfied / searches)),
            ),
          ),
      ),
    ),
  );
}

/** The changes that hold now, newest first: for each entity the newest that is not undone. */
function standing(edits) {
  const seen = new Set();
  return edits.filter(({ undone, entity_id }) => undone === null && !seen.has(entity_id) && seen.add(entity_id));
}

function beliefs({ beliefs: rows, text }, now) {
  const changed = new Map(now.map((edit) => [edit.entity_id, edit.action]));
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Beliefs" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Answer", "Belief", "Clicks", "Plays", "Shown", "Predicted", "Why", "Change"].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => beliefRow(row, text, changed.get(row.entity_id))),
      ),
    ),
  );
}

function beliefRow({ entity_id, title, score, clicks, plays, impressions, predicted, shared }, text, changed) {
  return h(
    "tr",
    { class: changed && `is-${changed}` },
    h("th", { scope: "row" }, h("bdi", {}, title)),
    h("td", {}, short(score, 3)),
    h("td", {}, short(clicks)),
    h("td", {}, short(plays)),
    h("td", {}, short(impressions)),
    h("td", {}, predicted === null ? "–" : short(predicted, 3)),
    h(
      "td",
      { class: "words" },
      changed ? `${changed}: by an operator` : shared ? "several people chose it" : "predicted",
    ),
    h("td", {}, h("span", { class: "pair" }, buttons(text, entity_id))),
  );
}

function buttons(text, id) {
  return ["pin", "block"].map((action) =>
    h("button", { type: "button", on: { click: () => edit(action, text, id) } }, action === "pin" ? "Pin" : "Block"),
  );
}

function held(now, text) {
  return h(
    "ul",
    { class: "held", "aria-label": "Changes that hold" },
    now.map(({ id, action, entity_id, score }) =>
      h(
        "li",
        {},
        h("b", {}, action),
        " ",
        h("bdi", {}, entity_id),
        score === null ? " " : ` ${short(score, 2)} `,
        h("button", { type: "button", on: { click: () => undo(id).then(() => showQuery(text)) } }, "Undo"),
      ),
    ),
  );
}

/** A field that finds any entity, to pin it, block it, or say what is to be believed of it. */
function adding(text) {
  const list = h("ul", { class: "held", "aria-label": "Found" });
  const find = async (event) => {
    const query = event.target.value.trim();
    const hits = query ? (await search({ query, k: FOUND, policy: "hybrid", preview: true })).hits : [];
    if (event.target.value.trim() === query)
      fill(
        list,
        hits.map((hit) => foundRow(hit, text)),
      );
  };
  return h(
    "div",
    {},
    h("input", {
      type: "search",
      "aria-label": "Find what to pin or block",
      placeholder: "Find what to pin or block",
      dir: "auto",
      on: { input: (event) => find(event).catch((error) => told(error.message)) },
    }),
    list,
  );
}

function foundRow({ entity_id, title, artists }, text) {
  const belief = h("input", {
    type: "number",
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.5,
    "aria-label": `Belief in ${title}`,
  });
  const set = () => edit("score", text, entity_id, Number(belief.value));
  return h(
    "li",
    {},
    h("span", { dir: "auto" }, h("b", {}, title), ` ${artists.join(", ")} `),
    buttons(text, entity_id),
    belief,
    h("button", { type: "button", on: { click: set } }, "Set belief"),
  );
}

async function edit(action, query, id, score) {
  try {
    const made = await order("edits", { action, query, entity_id: id, ...(score !== undefined && { score }) });
    if (made === null) return;
    told(made.carried_out ? `${DONE[action]}.` : "It is on record and will be carried out soon.");
  } catch (error) {
    told(error.message);
  }
  await Promise.all([showQuery(query), showChanges()]);
}
