// The dashboard: its sections by address, and the live numbers while somebody looks.

import { arms, metrics } from "./api.js";
import { showChanges } from "./changes.js";
import { Charts } from "./charts.js";
import { byId, fill } from "./dom.js";
import { showExperiments } from "./experiments.js";
import { showLive } from "./live.js";
import { Counted, parse } from "./metrics.js";
import { showModels } from "./models.js";
import { granted } from "./operator.js";
import { showQueries } from "./queries.js";
import { showQuery } from "./query.js";
import { showServed } from "./served.js";
import { showSynonyms } from "./synonyms.js";

const EVERY_MS = 2000;
const CHARTS_EVERY_MS = 15_000;
const MINUTE_S = 60;

const readings = []; // of the last minute, oldest first: {time, samples}
const live = new Charts(byId("live-charts"), "live");
const learning = new Charts(byId("learning-charts"), "learning");
const importance = new Charts(byId("models-charts"), "models", { timed: false });

const SECTIONS = {
  live: () => live.show(),
  learning: () => learning.show(),
  queries: (given) => Promise.all([showQueries(), showChanges(), showQuery(given), showSynonyms()]),
  models: () => Promise.all([showExperiments(), showModels(), showServed(), importance.show()]),
};

/** The section that the address names, and the query where it names one. */
function place() {
  const [name, given = ""] = location.hash.slice(1).split("=", 2);
  if (name === "query") return ["queries", decodeURIComponent(given)];
  return [name in SECTIONS ? name : "live", ""];
}

function show() {
  const [name, given] = place();
  for (const part of document.querySelectorAll("[data-section]")) part.hidden = part.dataset.section !== name;
  for (const link of document.querySelectorAll(".sections a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  SECTIONS[name](given).catch((error) => fill(byId("state"), error.message));
}

async function look() {
  try {
    fill(byId("state"), (await granted()) ? await numbers() : "This needs a key.");
  } catch (error) {
    fill(byId("state"), `${error.message} The numbers below are old; it is tried again.`);
  }
  setTimeout(soon, EVERY_MS);
}

/** Read and show the numbers; as of when they are. */
async function numbers() {
  const [text, { arms: known }] = await Promise.all([metrics(), arms()]);
  remember({ time: performance.now() / 1000, samples: parse(text) });
  showNumbers(new Map(known.map(({ arm, cost_ms }) => [arm, cost_ms])));
  return `As of ${new Date().toLocaleTimeString("en-GB")}`;
}

/** Nobody looks at a hidden page: the next reading waits until somebody does. */
function soon() {
  if (!document.hidden) look();
  else document.addEventListener("visibilitychange", soon, { once: true });
}

function remember(reading) {
  readings.push(reading);
  while (reading.time - readings[0].time > MINUTE_S) readings.shift();
}

function showNumbers(costs) {
  const { time, samples } = readings.at(-1);
  const [first] = readings;
  const minute = document.querySelector("[name=span]:checked").value === "minute";
  if (minute) showLive(new Counted(samples, first.samples), time - first.time, costs);
  else
    showLive(
      new Counted(samples),
      Date.now() / 1000 - new Counted(samples).gauge("bandstand_start_time_seconds"),
      costs,
    );
}

addEventListener("hashchange", show);
addEventListener("unlocked", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
setInterval(() => {
  if (!document.hidden && place()[0] === "live") live.show();
}, CHARTS_EVERY_MS);
show();
look();
