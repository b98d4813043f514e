// Traffic split between two policies: start, watch, stop. The interval holds at every moment, however often one looks.

import { arms } from "./api.js";
import { byId, fill, h, milliseconds, moment, percent, short } from "./dom.js";
import { order, read, section, told } from "./operator.js";

/** Show the running experiment, or the form that starts one, and those that ended. */
export function showExperiments() {
  return section(byId("experiment"), async () => {
    const [{ running, past }, { policies }] = await Promise.all([read("experiments"), arms()]);
    fill(
      byId("experiment"),
      running ? [result(running), stopping(running)] : starting(policies),
      past.length > 0 && h("h3", {}, "Ended"),
      past.map(result),
    );
  });
}

function result(experiment) {
  const { a, b, low, high, better, share, alpha, started, stopped } = experiment;
  const ends = stopped === null ? "" : `, ended ${moment(stopped)}`;
  return h(
    "article",
    { class: "experiment", "aria-label": `${a.policy} against ${b.policy}` },
    h("p", { class: better ? "verdict clear" : "verdict" }, verdict(experiment)),
    interval(experiment),
    h(
      "p",
      {},
      `Difference of mean rewards, ${b.policy} less ${a.policy}: between ${signed(low)} and ${signed(high)} `,
      `(${percent(1 - alpha)}, at all times together). `,
      h("a", { href: "/dashboard/how#experiment" }, "how?"),
    ),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": `Both policies since ${moment(started)}` },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Policy", "Share", "Visitors counted", "Mean reward", "Searches", "Clicked", "Retrieval"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h("tbody", {}, row(a, 1 - share), row(b, share)),
      ),
    ),
    h("p", { class: "quiet" }, `Began ${moment(started)}${ends}.`),
  );
}

function verdict({ a, b, better, decided }) {
  if (better) return `${better} earns more: known since ${moment(decided)}.`;
  if (a.visitors + b.visitors === 0) return "Nobody was counted yet: a visitor counts when their time is over.";
  return "Not decided: the interval still holds zero. Looking does no harm.";
}

/** The interval on a scale from -1 to 1, with zero marked. */
function interval({ low, high }) {
  return h(
    "div",
    { class: "interval", "aria-hidden": "true" },
    h("span", { class: "zero" }),
    h("span", { class: "band", vars: { low: `${50 + 50 * low}%`, width: `${50 * (high - low)}%` } }),
  );
}

function row({ policy, visitors, mean_reward, searches, clicked_share, cost_ms }, share) {
  const known = (value, written) => (value === null ? "–" : written(value));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, policy),
    h("td", {}, percent(share)),
    h("td", {}, short(visitors, 0)),
    h(
      "td",
      {},
      known(mean_reward, (value) => short(value, 3)),
    ),
    h("td", {}, short(searches, 0)),
    h("td", {}, known(clicked_share, percent)),
    h("td", {}, known(cost_ms, milliseconds)),
  );
}

function starting(policies) {
  const choice = (name, chosen) =>
    h(
      "label",
      {},
      `${name.toUpperCase()} `,
      h(
        "select",
        { name },
        policies.map((policy) => h("option", { value: policy, selected: policy === chosen }, policy)),
      ),
    );
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const body = { a: given.get("a"), b: given.get("b"), share: Number(given.get("share")) / 100 };
    return change(order("experiments", body), "The traffic is split from now on.");
  };
  return h(
    "form",
    { class: "row start", "aria-label": "Start an experiment", on: { submit } },
    h(
      "p",
      { class: "quiet" },
      "No experiment runs. Visitors get A or B, each always the same, where a search names no policy.",
    ),
    choice("a", "bandit"),
    choice("b", "all"),
    h("label", {}, "Share of B ", h("input", { name: "share", type: "number", min: 1, max: 99, value: 50 }), " %"),
    h("button", { class: "main" }, "Start"),
  );
}

function stopping({ id }) {
  const stop = () =>
    change(order(`experiments/${encodeURIComponent(id)}/stop`), "Stopped: the result stays on record.");
  return h("button", { type: "button", class: "danger", on: { click: stop } }, "Stop");
}

async function change(asked, done) {
  try {
    const made = await asked;
    if (made === null) return;
    told(made.carried_out ? done : "It is on record and will be carried out soon.");
  } catch (error) {
    told(error.message);
  }
  await showExperiments();
}

const signed = (value) => `${value < 0 ? "−" : "+"}${short(Math.abs(value), 3)}`;
