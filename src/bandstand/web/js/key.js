// A key: asked for when the server wants one, kept for this tab only.

import { Problem, holdKey } from "./api.js";
import { byId, fill, h } from "./dom.js";

/** Ask for the key; whether one was given. */
export const askForKey = () => ask("");

/** Do something that may need the key; asks for it as long as it is refused. Resolves to null where none is given. */
export async function withKey(action) {
  for (let refused = ""; ;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Problem) || ![401, 403].includes(error.status)) throw error;
      if (!(await ask(refused))) return null;
      refused = "This key was refused.";
    }
  }
}

function ask(refused) {
  const box = byId("key");
  const field = h("input", { id: "key-field", type: "password", autocomplete: "off", required: true });
  fill(
    box,
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "key-title" }, "This needs a key"),
      h("p", { class: "failed", role: "alert" }, refused),
      h("label", { for: "key-field" }, "A key that the operator made, or the value of BANDSTAND_ADMIN_KEY"),
      field,
      h(
        "div",
        { class: "row" },
        h("button", { class: "main", value: "given" }, "Use it"),
        h("button", { type: "button", on: { click: () => box.close("") } }, "Cancel"),
      ),
    ),
  );
  box.returnValue = "";
  box.showModal();
  return new Promise((done) =>
    box.addEventListener(
      "close",
      () => {
        const given = box.returnValue === "given";
        if (given) holdKey(field.value);
        done(given);
      },
      { once: true },
    ),
  );
}
