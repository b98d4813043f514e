// The operator's routes: read and change with the key of this tab, which is asked for where it is missing.

import { call, Problem } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { askForKey, heldKey, withKey } from "./key.js";

const BASE = "/v1/dashboard";

/** Read something; 403 where the key is missing or wrong. */
export const read = (path) => call("GET", `${BASE}/${path}`, { key: heldKey() });

/** Change something; the key is asked for where it is wanted. Null where none is given. */
export const order = (path, body) => withKey((key) => call("POST", `${BASE}/${path}`, { body, key }));

let access = null; // whether the key of this tab opens the routes: asked once, and again with another key

const granted = () => (access ??= read("access").then((answer) => answer.granted));

/** Fill an element by `show`; where the key is missing, offer to give it, and where it fails, say why. */
export async function section(element, show) {
  try {
    if (await granted()) await show();
    else fill(element, locked());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    access = null;
    fill(element, h("p", { class: "failed", role: "alert" }, error.message));
  }
}

function locked() {
  const unlock = async () => {
    if (!(await askForKey())) return;
    access = null;
    dispatchEvent(new Event("unlocked"));
  };
  return h(
    "p",
    { class: "quiet" },
    "This needs the admin key. ",
    h("button", { type: "button", on: { click: unlock } }, "Give it"),
  );
}

/** Say something for a while. */
export const told = (text) => fill(byId("told"), text);
