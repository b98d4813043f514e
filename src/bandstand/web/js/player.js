// A stand-in for a player: thirty seconds of silence that are reported like a preview that somebody listened to.

import { byId, fill, h } from "./dom.js";
import { report } from "./events.js";
import { icon } from "./icons.js";

const LENGTH_S = 30;
const TICK_MS = 250;

export class Player {
  #entry = null;
  #began = 0;
  #timer = 0;
  #bar = byId("player");

  constructor() {
    // A page may be discarded without another word once it is hidden for good; a tab in the background plays on.
    addEventListener("pagehide", () => this.stop());
  }

  /** Play an entry from its beginning, instead of what plays now; the one that plays stops. */
  toggle(entry) {
    const same = this.#entry?.hit.entity_id === entry.hit.entity_id;
    this.stop();
    if (!same) this.#play(entry);
  }

  /** Stop, and report for how long it played. */
  stop() {
    if (!this.#entry) return;
    clearInterval(this.#timer);
    report("play", this.#entry, { play_seconds: Math.round(10 * this.#seconds()) / 10 });
    this.#entry = null;
    this.#bar.hidden = true;
  }

  #play(entry) {
    const { title, artists } = entry.hit;
    const progress = h("progress", { max: LENGTH_S, value: 0, "aria-label": "Played" });
    const time = h("span", { class: "time" }, "0:00");
    this.#entry = entry;
    this.#began = performance.now();
    fill(
      this.#bar,
      h(
        "button",
        { type: "button", class: "icon", "aria-label": `Stop ${title}`, on: { click: () => this.stop() } },
        icon("stop"),
      ),
      h("div", { class: "now" }, h("b", { dir: "auto" }, title), h("span", { dir: "auto" }, artists.join(", "))),
      progress,
      time,
    );
    this.#bar.hidden = false;
    this.#timer = setInterval(() => this.#tick(progress, time), TICK_MS);
  }

  #tick(progress, time) {
    progress.value = this.#seconds();
    fill(time, `0:${String(Math.floor(this.#seconds())).padStart(2, "0")}`);
    if (this.#seconds() >= LENGTH_S) this.stop();
  }

  #seconds() {
    return Math.min((performance.now() - this.#began) / 1000, LENGTH_S);
  }
}
