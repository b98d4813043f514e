// The operator's routes: read and change with the key of this tab, which is asked for where it is missing.

import { call, Problem } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { askForKey, withKey } from "./key.js";

const BASE = "/v1/dashboard";

/** Read something; 401 or 403 where the key is missing or does not open it. */
export const read = (path) => call("GET", `${BASE}/${path}`);

/** Change something; the key is asked for where it is wanted. Null where none is given. */
export const order = (path, body) => withKey(() => call("POST", `${BASE}/${path}`, { body }));

let access = null; // whether the key of this tab opens the routes: asked once, and again with another key

/** Whether the key of this tab opens the dashboard, or none is needed. */
export async function granted() {
  access ??= read("access");
  try {
    return (await access).granted;
  } catch (error) {
    access = null;
    throw error;
  }
}

/** Fill an element by `show`; where the key is missing, offer to give it, and where it fails, say why. */
export async function section(element, show) {
  try {
    if (await granted()) await show();
    else fill(element, locked());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
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
    "This needs a key. ",
    h("button", { type: "button", on: { click: unlock } }, "Give it"),
  );
}

/** Say something for a while. */
export const told = (text) => fill(byId("told"), text);
