// The operator's synonyms: words that stand for others, added and taken out.

import { addSynonym, removeSynonym, synonyms } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { withKey } from "./key.js";
import { told } from "./operator.js";

/** Show the synonyms, and a field that adds one. */
export async function showSynonyms() {
  const { synonyms: lines } = await synonyms();
  const field = h("input", {
    "aria-label": "A new synonym",
    placeholder: "chill -> mood:calm 0.8",
    maxlength: 500,
    required: true,
    dir: "auto",
  });
  const add = (event) => {
    event.preventDefault();
    return change((key) => addSynonym(field.value, key), "Added: in use from now on.");
  };
  fill(
    byId("synonyms"),
    h("form", { class: "row", on: { submit: add } }, field, h("button", {}, "Add")),
    lines.length === 0
      ? h("p", { class: "quiet" }, "None of your own; the bundled ones are always in use.")
      : h("ul", { class: "held", "aria-label": "Synonyms of your own" }, lines.map(row)),
  );
}

function row(line) {
  const remove = () => change((key) => removeSynonym(line, key), "Removed.");
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
