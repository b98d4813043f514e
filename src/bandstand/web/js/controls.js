// The bar under the field: kinds as tabs, policies, the comparison, filters, colours.

import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";

const THEMES = { auto: "as the system", light: "light", dark: "dark" };

/** Bring the bar to life; `change(part)` is called with what the reader changed of the state. */
export function installControls(change) {
  const tabs = byId("kinds");
  for (const tab of tabs.children) tab.addEventListener("click", () => change({ kind: tab.dataset.kind }));
  tabs.addEventListener("keydown", (event) => roam(event, [...tabs.children]));
  byId("policy").addEventListener("change", (event) => change({ policy: event.target.value }));
  byId("against").addEventListener("change", (event) => change({ against: event.target.value }));
  byId("mix").addEventListener("change", (event) => change({ mix: event.target.checked }));
  byId("sections").addEventListener("change", (event) => change({ sections: event.target.checked }));
  installTheme(byId("theme"));
}

/** Let the bar say what the state is. */
export function showControls(state, change) {
  for (const tab of byId("kinds").children) {
    const chosen = tab.dataset.kind === state.kind;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  byId("policy").value = state.policy;
  byId("against").value = state.against;
  byId("mix").checked = state.mix;
  byId("mix").disabled = !state.against;
  byId("sections").checked = state.sections;
  byId("sections").disabled = Boolean(state.against || state.kind);
  fill(
    byId("filters"),
    state.filters.map(([name, value], index) =>
      h(
        "button",
        {
          type: "button",
          class: "chip on",
          "aria-label": `Remove the filter ${name}: ${value}`,
          on: { click: () => change({ filters: state.filters.toSpliced(index, 1) }) },
        },
        `${name}: ${value} ✕`,
      ),
    ),
  );
}

/** Arrow keys move between tabs, and choose as they move. */
function roam(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  event.preventDefault();
  next.focus();
  next.click();
}

function installTheme(button) {
  const names = Object.keys(THEMES);
  const show = (name) => {
    button.setAttribute("aria-label", `Colours: ${THEMES[name]}`);
    fill(button, icon(name));
  };
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(localStorage.getItem("bandstand.theme") ?? "auto") + 1) % names.length];
    if (next === "auto") localStorage.removeItem("bandstand.theme");
    else localStorage.setItem("bandstand.theme", next);
    document.documentElement.dataset.theme = next;
    show(next);
  });
  show(localStorage.getItem("bandstand.theme") ?? "auto");
}
