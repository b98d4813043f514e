// The operator's synonyms: words that stand for others, added and taken out, every change on record.

import { addSynonym, removeSynonym, synonymChanges, synonyms, undoSynonymChange } from "./api.js";
import { byId, fill, h, moment } from "./dom.js";
import { withKey } from "./key.js";
import { section, told } from "./operator.js";

/** Show the synonyms, and a field that adds one. */
export function showSynonyms() {
  return section(byId("synonyms"), async () => {
    const [{ synonyms: lines }, { changes }] = await Promise.all([synonyms(), synonymChanges()]);
    fill(byId("synonyms"), adding(), held(lines), changes.length > 0 && history(changes));
  });
}

function adding() {
  const field = h("input", {
    "aria-label": "A new synonym",
    placeholder: "chill -> mood:calm 0.8",
    maxlength: 500,
    required: true,
    dir: "auto",
  });
  const add = (event) => {
    event.preventDefault();
    return change(() => addSynonym(field.value), "Added: in use from now on.");
  };
  return h("form", { class: "row", on: { submit: add } }, field, h("button", {}, "Add"));
}

function held(lines) {
  return lines.length === 0
    ? h("p", { class: "quiet" }, "None of your own; the bundled ones are always in use.")
    : h("ul", { class: "held", "aria-label": "Synonyms of your own" }, lines.map(row));
}

function history(changes) {
  return h(
    "details",
    {},
    h("summary", {}, "What was changed"),
    h("ul", { class: "held", "aria-label": "Changes of synonyms" }, changes.map(changed)),
  );
}

function changed({ id, time, action, line, undone }) {
  const undo = () => change(() => undoSynonymChange(id), "Undone.");
  return h(
    "li",
    { class: undone !== null && "undone" },
    h("span", {}, `${moment(time)}: ${action === "add" ? "added" : "removed"} `, h("code", { dir: "auto" }, line)),
    undone === null
      ? h("button", { type: "button", on: { click: undo } }, "Undo")
      : h("span", { class: "quiet" }, `undone ${moment(undone)}`),
  );
}

function row(line) {
  const remove = () => change(() => removeSynonym(line), "Removed.");
  return h(
    "li",
    {},
    h("code", { dir: "auto" }, line),
    h("button", { type: "button", on: { click: remove } }, "Remove"),
  );
}

async function change(act, done) {
  try {
    if ((await withKey(act)) !== null) told(done);
  } catch (error) {
    told(error.message);
    return;
  }
  await showSynonyms();
}
