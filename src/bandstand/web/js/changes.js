// The record of what operators changed: each stays on it, and can be undone.

import { byId, fill, h, moment, short } from "./dom.js";
import { order, read, section, told } from "./operator.js";

/** Show every change, newest first. */
export function showChanges() {
  return section(byId("changes"), async () => {
    const { edits } = await read("edits");
    fill(
      byId("changes"),
      edits.length === 0
        ? h("p", { class: "quiet" }, "Nobody changed anything.")
        : h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every change" }, table(edits)),
    );
  });
}

/** Undo a change. */
export async function undo(id) {
  try {
    if ((await order(`edits/${encodeURIComponent(id)}/undo`)) !== null) told("Undone.");
  } catch (error) {
    told(error.message);
  }
  await showChanges();
}

function table(edits) {
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["When", "Query", "Change", "Of", "By", "Undone"].map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h("tbody", {}, edits.map(row)),
  );
}

function row({ id, time, query, action, entity_id, score, by, note, undone }) {
  return h(
    "tr",
    { class: undone !== null && "undone" },
    h("th", { scope: "row" }, moment(time)),
    h("td", {}, h("a", { href: `#query=${encodeURIComponent(query)}`, dir: "auto" }, query)),
    h("td", {}, score === null ? action : `${action} ${short(score, 2)}`),
    h("td", {}, h("bdi", {}, entity_id)),
    h("td", {}, [by, note].filter(Boolean).join(": ") || "–"),
    h(
      "td",
      {},
      undone === null ? h("button", { type: "button", on: { click: () => undo(id) } }, "Undo") : moment(undone),
    ),
  );
}
