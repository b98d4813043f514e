// The dashboard: reads the metrics every two seconds while somebody looks, and shows what happened.

import { arms, metrics } from "./api.js";
import { byId, fill } from "./dom.js";
import { showLive } from "./live.js";
import { Counted, parse } from "./metrics.js";
import { showModels } from "./models.js";

const EVERY_MS = 2000;
const MINUTE_S = 60;

const readings = []; // of the last minute, oldest first: {time, samples}

async function look() {
  try {
    const [text, { arms: known }] = await Promise.all([metrics(), arms()]);
    remember({ time: performance.now() / 1000, samples: parse(text) });
    show(new Map(known.map(({ arm, cost_ms }) => [arm, cost_ms])));
    fill(byId("state"), `As of ${new Date().toLocaleTimeString("en-GB")}`);
  } catch (error) {
    fill(byId("state"), `${error.message} The numbers below are old; it is tried again.`);
  }
  setTimeout(soon, EVERY_MS);
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

function show(costs) {
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

look();
showModels().catch((error) => fill(byId("models"), error.message));
