// How a page was made: which retrievers played, how deep, with which probability, and what skipping the others saved.

import { fill, h, milliseconds, percent } from "./dom.js";
import { policyName } from "./names.js";
import { named, retrievers, title } from "./retrievers.js";

const PLAYED = new Set(["ok", "late", "failed", "rescue"]);
const OUTCOME = {
  late: "late: dropped at the deadline",
  failed: "failed: left out",
  rescue: "asked because nothing else found an answer",
};

/** Milliseconds of one call by retriever; empty while they cannot be known: the rest of the page does without. */
async function costs() {
  return new Map([...(await retrievers()).values()].map(({ arm, cost_ms }) => [arm, cost_ms]));
}

/** Show the decisions of these answers in an element. Without the measured costs, what was saved is left out. */
export async function showDecisions(element, answers) {
  const known = await costs();
  fill(
    element,
    h("h2", {}, "How this page was made"),
    answers.map((answer) => decision(answer, known)),
  );
}

/** Before any search: which retrievers stand ready. */
export async function showRetrievers(element) {
  const known = await costs();
  if (known.size === 0) return;
  fill(
    element,
    h("h2", {}, "What stands ready"),
    h(
      "section",
      { class: "decision" },
      h(
        "p",
        {},
        `${known.size} retrievers. For each search a bandit decides which of them play, and how deep; this page shows what it decided.`,
      ),
      h(
        "ul",
        { class: "arms" },
        [...known].map(([arm, cost]) =>
          h(
            "li",
            { class: "played" },
            named(arm),
            h("span", { class: "time" }, `about ${milliseconds(cost)}`),
            h("span", { class: "did" }, title(arm)),
          ),
        ),
      ),
    ),
  );
}

/** What skipping retrievers saved in a search, and what all of them cost: milliseconds. */
export function saving(answer, known) {
  let saved = 0;
  let spent = 0;
  for (const { arm, status, took_ms } of answer.decision.arms) {
    if (PLAYED.has(status)) spent += took_ms;
    else saved += known.get(arm) ?? 0;
  }
  return { saved, whole: saved + spent };
}

function decision(answer, known) {
  const { policy, arms: decided } = answer.decision;
  const { saved, whole } = saving(answer, known);
  const played = decided.filter(({ status }) => PLAYED.has(status)).length;
  return h(
    "section",
    { class: "decision" },
    h("h3", {}, policyName(policy)),
    h("p", {}, `${played} of ${decided.length} retrievers played; the page took ${milliseconds(answer.took_ms)}.`),
    h(
      "ul",
      { class: "arms" },
      decided.map((arm) => armRow(arm, known)),
    ),
    saved > 0 &&
      h(
        "p",
        { class: "saved" },
        "Skipping saved about ",
        h("b", {}, milliseconds(saved)),
        ` of ${milliseconds(whole)} (${percent(saved / whole)}).`,
      ),
  );
}

function armRow({ arm, depth, propensity, candidates, took_ms, status }, known) {
  const skipped = !PLAYED.has(status);
  const did = skipped ? "skipped" : `${candidates} found, asked for ${depth}`;
  const time = skipped ? known.has(arm) && `saves ${milliseconds(known.get(arm))}` : milliseconds(took_ms);
  return h(
    "li",
    { class: skipped ? "skipped" : "played" },
    named(arm),
    h("span", { class: "did" }, did),
    h("span", { class: "time" }, time),
    h("span", { class: "note" }, OUTCOME[status] ?? title(arm)),
    h(
      "span",
      { class: "chance", title: "The probability with which this depth was chosen" },
      `p ${percent(propensity, 1)}`,
    ),
  );
}
