// The table of queries: what several people asked, how it went, and what the memory answers.

import { byId, fill, h, percent, short } from "./dom.js";
import { read, section } from "./operator.js";

const ORDERS = {
  searches: "asked most",
  latest: "asked last",
  failure: "most failures",
  success: "most success",
};
const PAGE = 25;

const asked = { q: "", order: "searches", offset: 0 };
let newest = 0; // the last request: an answer to an older one is dropped

/** Show the table; the field stays as it is while somebody types. */
export function showQueries() {
  const element = byId("queries");
  return section(element, async () => {
    const request = ++newest;
    const answer = await read(`queries?${new URLSearchParams({ ...asked, k: PAGE })}`);
    if (request !== newest) return;
    if (!element.querySelector("form")) fill(element, controls(), h("div", { class: "rows" }));
    fill(element.querySelector(".rows"), table(answer), pages(answer.total));
  });
}

function controls() {
  const change = (part) => {
    Object.assign(asked, { offset: 0 }, part);
    return showQueries();
  };
  return h(
    "form",
    { class: "row", role: "search", "aria-label": "Queries", on: { submit: (event) => event.preventDefault() } },
    h("input", {
      type: "search",
      "aria-label": "Words of the query",
      placeholder: "Words of the query",
      maxlength: 500,
      dir: "auto",
      value: asked.q,
      on: { input: (event) => change({ q: event.target.value }) },
    }),
    h(
      "select",
      { "aria-label": "Order", on: { change: (event) => change({ order: event.target.value }) } },
      Object.entries(ORDERS).map(([order, name]) =>
        h("option", { value: order, selected: order === asked.order }, name),
      ),
    ),
  );
}

function table({ queries, total }) {
  if (total === 0)
    return h(
      "p",
      { class: "quiet" },
      "Nothing yet: a query is named here once several people asked it and it settled.",
    );
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Queries and how they went" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Query", "Asked", "Clicked", "Satisfied", "Last", "The memory's best, and its belief"].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      h("tbody", {}, queries.map(row)),
    ),
  );
}

function row({ text, searches, clicked, satisfied, last, top }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `#query=${encodeURIComponent(text)}`, dir: "auto" }, text)),
    h("td", {}, short(searches, 0)),
    h("td", {}, percent(clicked / searches)),
    h("td", {}, percent(satisfied / searches)),
    h("td", {}, new Date(1000 * last).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" })),
    h(
      "td",
      { class: "words" },
      top.map(({ title, score }) => h("span", { class: "best" }, h("bdi", {}, title), ` ${short(score, 2)}`)),
    ),
  );
}

function pages(total) {
  if (total <= PAGE) return null;
  const step = (by) => {
    asked.offset += by;
    return showQueries();
  };
  return h(
    "div",
    { class: "row" },
    h("button", { type: "button", disabled: asked.offset === 0, on: { click: () => step(-PAGE) } }, "Before"),
    h("span", {}, `${asked.offset + 1} to ${Math.min(asked.offset + PAGE, total)} of ${total}`),
    h("button", { type: "button", disabled: asked.offset + PAGE >= total, on: { click: () => step(PAGE) } }, "More"),
  );
}
