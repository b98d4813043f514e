// Charts: pictures that the server draws, with their numbers beside them for who wants to read or hear them.

import { fill, h, short } from "./dom.js";
import { read, section } from "./operator.js";

const SPANS = { hour: "hour", day: "day", week: "week", quarter: "90 days" };

const theme = () =>
  document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

/** The charts of a section of the API in an element, over a span that the reader chooses. */
export class Charts {
  #element;
  #name;
  #span;
  #timed;

  /** Charts without time have no span to choose. */
  constructor(element, name, { timed = true } = {}) {
    this.#element = element;
    this.#name = name;
    this.#span = "hour";
    this.#timed = timed;
  }

  /** Ask for the charts and show them. */
  show() {
    return section(this.#element, async () => {
      const answer = await read(`charts/${this.#name}?span=${this.#span}&pictures=${theme()}`);
      const open = new Set([...this.#element.querySelectorAll("details[open]")].map((details) => details.dataset.name));
      const old = [...this.#element.querySelectorAll("img")].map((image) => image.src);
      fill(
        this.#element,
        this.#timed && this.#spans(),
        h(
          "div",
          { class: "charts" },
          answer.charts.map((chart) => figure(chart, open.has(chart.name))),
        ),
      );
      old.forEach((address) => URL.revokeObjectURL(address));
    });
  }

  #spans() {
    const choose = (span) => {
      this.#span = span;
      return this.show();
    };
    return h(
      "div",
      { class: "span", role: "group", "aria-label": "Over which time" },
      Object.entries(SPANS).map(([span, name]) =>
        h(
          "button",
          {
            type: "button",
            class: span === this.#span ? "chip on" : "chip",
            "aria-pressed": String(span === this.#span),
            on: { click: () => choose(span) },
          },
          `last ${name}`,
        ),
      ),
    );
  }
}

function figure(chart, open) {
  const picture = new Blob([chart.svg], { type: "image/svg+xml" });
  return h(
    "figure",
    { class: "chart", data: { name: chart.name } },
    h(
      "figcaption",
      {},
      h("h3", {}, chart.title),
      h("span", { class: "quiet" }, chart.unit),
      h(
        "a",
        { href: `/dashboard/how#${chart.name}`, title: chart.how, "aria-label": `How “${chart.title}” is computed` },
        "how?",
      ),
    ),
    h("img", { src: URL.createObjectURL(picture), width: 640, height: 300, alt: summary(chart) }),
    grey(chart),
    h(
      "details",
      { open, data: { name: chart.name } },
      h("summary", {}, "Numbers"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `Numbers of ${chart.title}` },
        table(chart),
      ),
    ),
  );
}

/** Why some places are grey. */
function grey({ grey }) {
  const reasons = Object.entries(grey).map(([place, why]) => `${place}: ${why.replace("not enough data: ", "")}`);
  return reasons.length > 0 && h("p", { class: "grey" }, `* not enough data (${reasons.join("; ")})`);
}

/** What the picture shows, in a sentence. */
function summary({ title, unit, lines }) {
  const parts = Object.entries(lines).map(([name, values]) => {
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return `${name} nothing yet`;
    return `${name} from ${number(Math.min(...known))} to ${number(Math.max(...known))}, last ${number(known.at(-1))}`;
  });
  return `${title}, ${unit}: ${parts.join("; ") || "nothing yet"}.`;
}

function table({ places, lines, low, high }) {
  const names = Object.keys(lines);
  const cell = (name, at) => {
    const bounds = low[name]?.[at] == null ? "" : ` (${number(low[name][at])} to ${number(high[name][at])})`;
    return h("td", {}, lines[name][at] === null ? "–" : `${number(lines[name][at])}${bounds}`);
  };
  const rows = places
    .map((place, at) => [place, at])
    .filter(([, at]) => names.some((name) => lines[name][at] !== null));
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, h("span", { class: "unseen" }, "Where")),
        names.map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map(([place, at]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, named(place)),
          names.map((name) => cell(name, at)),
        ),
      ),
    ),
  );
}

const named = (place) =>
  typeof place === "number"
    ? new Date(1000 * place).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" })
    : place;

const number = (value) => short(value, Math.abs(value) < 1 ? 4 : 2);
