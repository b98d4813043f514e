// The operator's key: asked for when the server wants it, kept for this tab only.

import { Problem } from "./api.js";
import { byId, fill, h } from "./dom.js";

const KEY = "bandstand.key";

/** The key that was given in this tab, null where none was. */
export const heldKey = () => sessionStorage.getItem(KEY);

/** Ask for the key; whether one was given. */
export const askForKey = () => ask("");

/** Do something that may need the key; asks for it as long as it is refused. Resolves to null where none is given. */
export async function withKey(action) {
  for (let refused = ""; ;) {
    try {
      return await action(heldKey());
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 403) throw error;
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
      h("h2", { id: "key-title" }, "This needs the admin key"),
      h("p", { class: "failed", role: "alert" }, refused),
      h("label", { for: "key-field" }, "The value of BANDSTAND_ADMIN_KEY on the server"),
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
        if (given) sessionStorage.setItem(KEY, field.value);
        done(given);
      },
      { once: true },
    ),
  );
}
