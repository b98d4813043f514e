// The models: which versions there are, how they measured, which one serves; promote and roll back.

import { models, promote, rollback } from "./api.js";
import { byId, fill, h, short } from "./dom.js";
import { withKey } from "./key.js";
import { section as guarded } from "./operator.js";
import { compare } from "./served.js";

/** Show all models. */
export async function showModels() {
  const element = byId("models");
  await guarded(element, async () => {
    const answer = await models();
    fill(
      element,
      Object.entries(answer).map(([name, model]) => section(name, model)),
    );
  });
}

function section(name, { current, pinned, refused, versions }) {
  const back = () => change(() => withKey(() => rollback(name)), `${name}: rolled back`);
  const metrics = [...new Set(versions.flatMap((version) => Object.keys(version.metrics)))].slice(0, 4);
  return h(
    "section",
    { class: "model", "aria-label": name },
    h(
      "div",
      { class: "head" },
      h("h3", {}, name),
      h(
        "p",
        { class: "quiet" },
        pinned
          ? "pinned: newer versions are not promoted until somebody does so"
          : "follows the newest version that trains",
      ),
      h("button", { type: "button", disabled: versions.length < 2, on: { click: back } }, "Roll back"),
    ),
    refused && h("p", { class: "failed", role: "alert" }, `The version that should serve does not: ${refused}`),
    versions.length === 0
      ? h("p", {}, "No version yet: the built-in one serves.")
      : h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": `Versions of ${name}` },
          h(
            "table",
            {},
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                ["Version", "Made", ...metrics.map((metric) => metric.replaceAll("_", " ")), ""].map((text) =>
                  h("th", { scope: "col" }, text || h("span", { class: "unseen" }, "Serves")),
                ),
              ),
            ),
            h(
              "tbody",
              {},
              versions.map((version) => versionRow(name, version, version.version === current, metrics)),
            ),
          ),
        ),
  );
}

function versionRow(name, { version, created, metrics }, serves, shown) {
  const made = new Date(1000 * created);
  const shadow = h("span", { class: "words quiet", role: "status" });
  const serve = () => change(() => withKey(() => promote(name, version)), `${name}: ${version} serves`);
  return h(
    "tr",
    { class: serves && "serves" },
    h("th", { scope: "row" }, version),
    h(
      "td",
      {},
      h(
        "time",
        { datetime: made.toISOString() },
        made.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }),
      ),
    ),
    shown.map((metric) => h("td", {}, metric in metrics ? short(metrics[metric], 3) : "–")),
    h(
      "td",
      {},
      serves
        ? h("b", {}, "serves")
        : h(
            "span",
            { class: "pair" },
            name === "ranker" &&
              h(
                "button",
                { type: "button", "aria-label": `Compare ${version}`, on: { click: () => compare(version, shadow) } },
                "Compare",
              ),
            h("button", { type: "button", "aria-label": `Promote ${version}`, on: { click: serve } }, "Promote"),
            shadow,
          ),
    ),
  );
}

/** Change something, say so, and show how it is now. */
async function change(act, done) {
  try {
    if ((await act()) === null) return;
    fill(byId("changed"), done);
  } catch (error) {
    fill(byId("changed"), error.message);
  }
  await showModels();
}
