// What the page says where there is nothing to show: what happened, and what to do about it.

import { fill, h } from "./dom.js";

const EXAMPLES = ["bohemian rhapsody", "beyonse halo", "miles davis", "sad songs", "sigur ros", "música brasileira"];

/** Nothing was asked yet. */
export function welcome(element, choose) {
  fill(
    element,
    h(
      "div",
      { class: "notice welcome" },
      h("h2", {}, "What would you like to hear?"),
      h(
        "p",
        {},
        "Misspell it, type a mood, or a name that only you have for it: what you choose is remembered, and comes first the next time.",
      ),
      h(
        "div",
        { class: "filters" },
        EXAMPLES.map((text) => h("button", { type: "button", class: "chip", on: { click: () => choose(text) } }, text)),
      ),
    ),
  );
}

/** Nothing was found. `remedies` are pairs of a label and what to do. */
export function nothing(element, query, remedies) {
  fill(
    element,
    h(
      "div",
      { class: "notice" },
      h("h2", {}, "Nothing found for ", h("q", {}, h("bdi", {}, query))),
      h(
        "p",
        {},
        remedies.length ? "Perhaps it is hidden:" : "Try fewer words, another spelling, or the artist's name.",
      ),
      h(
        "div",
        { class: "row" },
        remedies.map(([label, act]) => h("button", { type: "button", on: { click: act } }, label)),
      ),
    ),
  );
}

/** It failed; `unlock` asks for a key. */
export function failure(element, problem, again, unlock) {
  const busy = problem.status === 503;
  const locked = [401, 403].includes(problem.status);
  fill(
    element,
    h(
      "div",
      { class: "notice failed", role: "alert" },
      h("h2", {}, busy ? "Not just now" : locked ? "This needs a key" : problem.status === 422 ? "This cannot be searched" : "That did not work"),
      h("p", {}, problem.message),
      h("p", {}, problem.status === 0 ? "Check the connection, and that Bandstand is running." : ""),
      busy && h("p", { class: "quiet" }, "It is tried again by itself."),
      h(
        "div",
        { class: "row" },
        locked && h("button", { type: "button", class: "main", on: { click: unlock } }, "Give a key"),
        h("button", { type: "button", class: !locked && "main", on: { click: again } }, "Try again"),
      ),
    ),
  );
}

/** What was searched instead of a misspelt query, or may have been meant. `change` takes the part that is to change. */
export function correction(element, { corrected, conditions = [] }, change) {
  const { text, typed, mode } = corrected;
  const q = [text, ...conditions.map(typedAs)].join(" ");
  const link = (words, part) =>
    h("button", { type: "button", class: "link", dir: "auto", on: { click: () => change(part) } }, words);
  const said =
    mode === "showing"
      ? ["Showing results for ", link(text, { q }), ". Search instead for ", link(typed, { literal: true }), "."]
      : ["Did you mean ", link(text, { q }), "?"];
  fill(element, said);
}

/** A condition as one types it. */
function typedAs({ field, value, negated }) {
  return `${negated ? "-" : ""}${field === "words" ? "" : `${field}:`}"${value}"`;
}

/** Something is shown, but nothing of it has to do with the query. */
export function unmatched(element, query) {
  fill(element, "Nothing matches ", h("q", {}, h("bdi", {}, query)), ": this is what is new, rising, or yours.");
}

/** Say something for a moment, also to screen readers. */
export function tell(element, text) {
  fill(element, text);
  element.classList.remove("shown");
  void element.offsetWidth; // the animation begins anew
  element.classList.add("shown");
}
