// Who searches: a session of this tab, and a name where somebody gave one. Nothing else is kept about a person.

import { Problem, forget } from "./api.js";
import { byId, fill, h } from "./dom.js";

const NAME = "bandstand.name";
const SESSION = "bandstand.session";

/** A random id; also on plain-HTTP pages, where browsers have no `crypto.randomUUID`. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The ids that go with every search and event. */
export function identity() {
  if (!sessionStorage.getItem(SESSION)) sessionStorage.setItem(SESSION, randomId());
  const name = localStorage.getItem(NAME);
  return { session_id: sessionStorage.getItem(SESSION), ...(name && { user_id: name }) };
}

/** Search without a name from now on. */
export function becomeAnonymous() {
  begin("");
  show();
}

const show = () => fill(byId("who"), localStorage.getItem(NAME) ?? "Anonymous");

function begin(name) {
  sessionStorage.removeItem(SESSION);
  if (name) localStorage.setItem(NAME, name);
  else localStorage.removeItem(NAME);
}

/** The button that says who searches, and the box behind it; `changed` is called with what to tell. */
export function installIdentity(changed) {
  const button = byId("who");
  const box = byId("person");
  const done = (message) => {
    box.close();
    show();
    changed(message);
  };
  button.addEventListener("click", () => {
    fill(box, form(done));
    box.showModal();
  });
  show();
}

function form(done) {
  const name = localStorage.getItem(NAME);
  const field = h("input", { id: "name", maxlength: 100, value: name, autocomplete: "nickname", dir: "auto" });
  const failed = h("p", { class: "failed", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const given = field.value.trim();
    begin(given);
    done(given ? `Searching as ${given}` : "Searching anonymously");
  };
  const leave = () => erase(name).then(done, (error) => fill(failed, refusal(error)));
  return h(
    "form",
    { on: { submit } },
    h("h2", { id: "person-title" }, "Who is searching?"),
    h("p", {}, "With a name, what you choose is remembered for you on every device. Without one, for this tab only."),
    h("label", { for: "name" }, "Name"),
    field,
    failed,
    h(
      "div",
      { class: "row" },
      h("button", { class: "main" }, "Use this name"),
      h("button", { type: "button", class: "danger", on: { click: leave } }, "Forget me"),
      h("button", { type: "button", on: { click: () => byId("person").close() } }, "Cancel"),
    ),
  );
}

/** Erase a named user on the server; an anonymous visitor only begins a new session: nothing else ties them to it. */
async function erase(name) {
  const answer = name ? await forget(name) : null;
  begin("");
  if (!answer) return "A new session has begun: nothing ties you to what you did before";
  const { impressions, events } = answer.deleted;
  return `Forgotten: ${impressions} searches and ${events} events are erased`;
}

function refusal(error) {
  if (!(error instanceof Problem)) throw error;
  if (![401, 403].includes(error.status)) return error.message;
  return "On this server only its operator erases people: ask them to. Nothing was changed.";
}
