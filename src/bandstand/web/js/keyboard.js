// The whole page by keyboard: one list of keys, told about at the foot of the page.

import { byId } from "./dom.js";

const ACTIONS = { p: "play", s: "save", x: "skip", w: "why" };

/** Listen. `suggestions.enter()` moves into the row of suggestions; everything else is a click on what has the focus. */
export function installKeyboard(suggestions) {
  const field = byId("query");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]"))
      return;
    const handled = event.target === field ? inField(event, field, suggestions) : elsewhere(event, field);
    if (handled) event.preventDefault();
  });
}

function inField(event, field, suggestions) {
  if (event.key === "ArrowDown") return focusOn(titles()[0]);
  if (event.key === "ArrowRight" && field.selectionStart === field.value.length) return suggestions.enter();
  if (event.key !== "Escape") return false;
  if (!field.value) field.blur();
  return false; // a search field clears itself, and says so by an input event
}

function elsewhere(event, field) {
  const { key, target } = event;
  if (target.matches("input, select, textarea")) return false;
  if (key === "/") {
    field.select();
    return focusOn(field);
  }
  if (target.closest("#suggestions")) return inRow(key, target, field);
  const hit = target.closest(".hit");
  return hit ? inHits(key, hit, field) : false;
}

function inRow(key, target, field) {
  if (key === "ArrowRight") return focusOn(target.nextElementSibling);
  if (key === "ArrowLeft") return focusOn(target.previousElementSibling ?? field);
  if (key === "ArrowDown") return focusOn(titles()[0]);
  return key === "Escape" || key === "ArrowUp" ? focusOn(field) : false;
}

function inHits(key, hit, field) {
  if (key in ACTIONS) {
    hit.querySelector(`.act-${ACTIONS[key]}`).click();
    return true;
  }
  if (key === "Escape") return focusOn(field);
  const all = titles();
  const at = all.indexOf(hit.querySelector(".title"));
  if (key === "ArrowDown") return focusOn(all[at + 1] ?? byId("more"));
  if (key === "ArrowUp") return focusOn(all[at - 1] ?? field);
  return false;
}

const titles = () => [...document.querySelectorAll("#lists .title")];

function focusOn(element) {
  element?.focus();
  element?.scrollIntoView({ block: "nearest" });
  return Boolean(element);
}
