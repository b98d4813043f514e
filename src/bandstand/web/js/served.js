// What each version of the models did lately, and what another ranker would have made of the same searches.

import { byId, fill, h, milliseconds, percent, short } from "./dom.js";
import { read, section, told } from "./operator.js";

const HOURS = 24;

/** Show versions with what they did in the last day. */
export function showServed() {
  return section(byId("served"), async () => {
    const answer = await read(`served?hours=${HOURS}`);
    fill(
      byId("served"),
      h("h3", {}, `What they did in the last ${HOURS} hours`),
      ["ranker", "bandit"].map((model) => table(model, answer[model])),
    );
  });
}

/** Compare a ranker with the one that serves, on logged searches; the answer as a sentence in an element. */
export async function compare(version, element) {
  fill(element, "Comparing …");
  try {
    fill(element, sentence(await read(`shadow?version=${encodeURIComponent(version)}`)));
  } catch (error) {
    fill(element);
    told(error.message);
  }
}

function sentence({ searches, serving, other, difference, low, high, moved }) {
  if (searches === 0) return "Not enough data: no logged search with a choice.";
  const bounds = `95 % from ${short(low, 3)} to ${short(high, 3)}`;
  return `In its shadow on ${short(searches, 0)} searches: mean reciprocal rank ${short(other, 3)} against ${short(serving, 3)}, difference ${short(difference, 3)} (${bounds}); another first hit in ${percent(moved)}.`;
}

function table(model, versions) {
  if (versions.length === 0) return h("p", { class: "quiet" }, `${model}: no search has settled in this time.`);
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": `What versions of ${model} did` },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [model, "Searches", "Clicked", "Satisfied", "Reward", "MRR", "Retrieval"].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      h("tbody", {}, versions.map(row)),
    ),
  );
}

function row({ version, searches, clicked_share, satisfied_share, reward, mrr, cost_ms }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, version),
    h("td", {}, short(searches, 0)),
    h("td", {}, percent(clicked_share)),
    h("td", {}, percent(satisfied_share)),
    h("td", {}, short(reward, 3)),
    h("td", {}, short(mrr, 3)),
    h("td", {}, milliseconds(cost_ms)),
  );
}
