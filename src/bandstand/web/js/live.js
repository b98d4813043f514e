// What the server does now: searches, times, retrievers, learning.

import { byId, fill, h, milliseconds, percent, short } from "./dom.js";

const SECONDS = "bandstand_search_seconds";
const DEPTHS = ["0", "10", "50", "200"];

/** Show what was counted over `seconds`; `costs` are the measured milliseconds of a retriever's call, by name. */
export function showLive(counted, seconds, costs) {
  fill(
    byId("tiles"),
    tiles(counted, seconds, costs).map(([name, value, how]) =>
      h("div", { class: "tile", title: how }, h("b", {}, value), h("span", {}, name)),
    ),
  );
  fill(
    byId("arms"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Retriever", "Played", "Depths 0, 10, 50, 200", "Mean", "p95", "Late", "Failed", "Rescued"].map((name) =>
          h("th", { scope: "col" }, name),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      [...costs.keys()].map((arm) => armRow(counted, arm)),
    ),
  );
}

/** Name, value, and how the value is computed. */
function tiles(counted, seconds, costs) {
  const searches = counted.of(`${SECONDS}_count`);
  const clicks = counted.of("bandstand_actions_total", { action: "click" });
  const { saved, whole } = saving(counted, costs);
  const errors = failures(counted, {}) - failures(counted, { route: "/readyz" });
  const time = (q) => orDash(1000 * counted.quantile(SECONDS, q), milliseconds);
  return [
    ["searches", short(searches), `${SECONDS}_count; previews while typing are not counted`],
    [
      "searches a second",
      orDash(searches / seconds, (value) => short(value, 2)),
      `${SECONDS}_count over ${short(seconds, 0)} s`,
    ],
    ["half are faster than", time(0.5), `median of ${SECONDS}, linear within its buckets`],
    ["95 % are faster than", time(0.95), `0.95 quantile of ${SECONDS}`],
    ["99 % are faster than", time(0.99), `0.99 quantile of ${SECONDS}`],
    [
      "of retrieval skipped",
      orDash(saved / whole, percent),
      `skipped calls at their measured mean cost, ${milliseconds(saved)} of ${milliseconds(whole)}: bandstand_arm_outcomes_total, bandstand_arm_seconds_sum, /v1/arms`,
    ],
    [
      "clicks a search",
      orDash(clicks / searches, (value) => short(value, 2)),
      `bandstand_actions_total{action="click"} over ${SECONDS}_count`,
    ],
    [
      "searches without a hit",
      orDash(counted.of("bandstand_empty_pages_total") / searches, percent),
      `bandstand_empty_pages_total over ${SECONDS}_count`,
    ],
    [
      "errors",
      short(errors),
      "bandstand_http_requests_total with a status of 500 or more, /readyz left out: it says 503 while the server is loading",
    ],
    [
      "entries to learn from",
      orDash(counted.gauge("bandstand_learner_lag_entries"), short),
      "bandstand_learner_lag_entries: the log's end less the learner's position",
    ],
    ["queries remembered", short(counted.gauge("bandstand_memory_queries")), "bandstand_memory_queries"],
    ["entities", short(counted.gauge("bandstand_entities")), "bandstand_entities"],
  ];
}

/** Answers with a status of 500 or more. */
function failures(counted, labels) {
  const statuses = [...counted.by("bandstand_http_requests_total", "status", labels)];
  return statuses.filter(([status]) => status >= "500").reduce((sum, [, count]) => sum + count, 0);
}

/** Milliseconds that skipping retrievers saved, and what all of them together would have cost. */
function saving(counted, costs) {
  const skipped = counted.by("bandstand_arm_outcomes_total", "arm", { status: "skipped" });
  const saved = [...costs].reduce((sum, [arm, cost]) => sum + cost * (skipped.get(arm) ?? 0), 0);
  return { saved, whole: saved + 1000 * counted.of("bandstand_arm_seconds_sum") };
}

function armRow(counted, arm) {
  const outcomes = counted.by("bandstand_arm_outcomes_total", "status", { arm });
  const all = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  const depths = counted.by("bandstand_arm_depths_total", "depth", { arm });
  const calls = counted.of("bandstand_arm_seconds_count", { arm });
  const mean = (1000 * counted.of("bandstand_arm_seconds_sum", { arm })) / calls;
  const played = (all - (outcomes.get("skipped") ?? 0)) / all;
  const cells = [
    orDash(played, percent),
    mix(depths, arm),
    orDash(mean, milliseconds),
    orDash(1000 * counted.quantile("bandstand_arm_seconds", 0.95, { arm }), milliseconds),
    ...["late", "failed", "rescue"].map((status) => short(outcomes.get(status) ?? 0)),
  ];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, arm),
    cells.map((cell) => h("td", {}, cell)),
  );
}

/** The depths as a bar of four shades, with the shares in words for those who do not see it. */
function mix(depths, arm) {
  const all = [...depths.values()].reduce((sum, count) => sum + count, 0);
  if (all === 0) return "–";
  const shares = DEPTHS.map((depth) => (depths.get(depth) ?? 0) / all);
  const words = DEPTHS.map((depth, index) => `${depth}: ${percent(shares[index])}`).join(", ");
  return h(
    "span",
    { class: "mix", role: "img", "aria-label": words, title: words },
    shares.map((share, index) => h("span", { class: `depth-${index}`, vars: { share: `${100 * share}%` } })),
  );
}

const orDash = (value, show) => (Number.isFinite(value) ? show(value) : "–");
