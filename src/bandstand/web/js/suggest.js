// Completions of what is being typed, in a row under the field, where they cover no result.

import { suggest } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { identity } from "./identity.js";
import { Latest } from "./latest.js";

const SHOWN = 8;

export class Suggestions {
  #row = byId("suggestions");
  #latest = new Latest();

  constructor(choose) {
    this.choose = choose;
  }

  /** Show completions of a text. They are a help: where they fail, there are none. */
  async show(text) {
    if (!text.trim()) {
      this.clear();
      return;
    }
    const answer = await this.#latest
      .run((signal) => suggest(text, SHOWN, identity(), signal))
      .catch(() => ({ suggestions: [] }));
    if (answer)
      fill(
        this.#row,
        answer.suggestions.filter((item) => item.text !== text).map((item) => this.#chip(item)),
      );
  }

  clear() {
    this.#latest.stop();
    fill(this.#row);
  }

  /** Move the focus into the row; whether there was anything to move to. */
  enter() {
    this.#row.firstElementChild?.focus();
    return this.#row.childElementCount > 0;
  }

  #chip({ text, entity_id }) {
    return h(
      "button",
      { type: "button", class: `chip ${entity_id ? "" : "past"}`, dir: "auto", on: { click: () => this.choose(text) } },
      text,
    );
  }
}
