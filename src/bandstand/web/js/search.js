// The search page: ties the field, the address, the requests and the view together.

import { Problem, search } from "./api.js";
import { installControls, showControls } from "./controls.js";
import { showDecisions, showRetrievers } from "./decision.js";
import { byId, fill } from "./dom.js";
import { report } from "./events.js";
import { openSheet } from "./explain.js";
import { FACETS, showFacets } from "./facets.js";
import { becomeAnonymous, identity, installIdentity } from "./identity.js";
import { askForKey } from "./key.js";
import { installKeyboard } from "./keyboard.js";
import { Latest } from "./latest.js";
import { failure, tell, welcome } from "./messages.js";
import { Player } from "./player.js";
import { retrievers } from "./retrievers.js";
import { LIMIT, PAGE, read, request, write } from "./state.js";
import { Suggestions } from "./suggest.js";
import { View } from "./view.js";

const BURST_MS = 30; // input events that follow each other faster are one request, as they are no keys of a person
const SETTLE_MS = 500; // a pause after which what was typed counts as a search, and is logged as one
const SLOW_MS = 2500;

const OPENED = "Remembered: it comes first the next time you ask this";
const DONE = { open: OPENED, visit: OPENED, save: "Saved", skip: "Skipped" };

const field = byId("query");
const latest = new Latest();
const player = new Player();
const view = new View(act, change);
const suggestions = new Suggestions((q) => change({ q }));
const timers = {};
let state = read();
let counted = null; // the state that the last search which counts was asked for
let newEntry = true; // whether the next address is a new entry of the history, or replaces the one of half a word
let facets = FACETS;
let shown = []; // the answers on the page
let previewed = -BURST_MS; // when the last preview was asked for

/** One search, or two to compare; `preview` while somebody is still typing. */
async function ask(preview, signal) {
  const policies = state.against ? [state.policy, state.against] : [state.policy];
  const common = { ...identity(), locale: navigator.language, preview };
  const asked = policies.map((policy) => faceted({ ...request(state, policy), ...common }, signal));
  const [, ...found] = await Promise.all([retrievers(), ...asked]);
  return found.map((answer) => ({ ...answer, preview }));
}

/** A search with facets, if it counts; a catalogue without genres refuses to count them, and is not asked again. */
async function faceted(body, signal) {
  if (body.preview) return search(body, signal);
  try {
    return await search({ ...body, facets }, signal);
  } catch (error) {
    if (!(error instanceof Problem) || !error.message.includes("unknown facet")) throw error;
    facets = [];
    return search(body, signal);
  }
}

async function refresh(preview) {
  clearTimeout(timers.again);
  if (!state.q.trim()) {
    home();
    return;
  }
  busy(true);
  try {
    const answers = await latest.run((signal) => ask(preview, signal));
    if (!answers) return; // something newer is under way
    await display(answers);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (!preview || error.status !== 403) failed(error); // who may not preview searches after a pause
  }
  busy(false);
}

async function display(answers) {
  shown = answers;
  view.show(state, answers);
  showFacets(byId("facets"), answers[0], state.filters, filter);
  await showDecisions(byId("decision"), answers);
}

/** The next page of the same search: the same decision and ranking, so that nothing above it moves. */
async function more() {
  const [answer] = shown;
  const page = { ...request(state, state.policy), query_id: answer.query_id, offset: state.n, k: PAGE };
  const next = await latest.run((signal) => search(page, signal));
  if (!next) return;
  state = { ...state, n: Math.min(state.n + PAGE, LIMIT) };
  newEntry = false;
  navigate();
  await display([{ ...answer, hits: [...answer.hits, ...next.hits] }]);
}

function home() {
  latest.stop();
  busy(false);
  view.clear();
  fill(byId("facets"));
  suggestions.clear();
  showRetrievers(byId("decision"));
  welcome(byId("notice"), (q) => change({ q }));
}

function failed(problem) {
  counted = null;
  if (problem.message.includes("X-Bandstand-User") && identity().user_id) {
    becomeAnonymous();
    tell(byId("told"), "This server does not know people by names that they give: you search anonymously");
    settle();
    return;
  }
  view.clear();
  fill(byId("facets"));
  fill(byId("decision"));
  failure(byId("notice"), problem, settle, unlock);
  if (problem.retryAfter > 0) timers.again = setTimeout(settle, 1000 * problem.retryAfter);
}

/** Give a key, and search with it. */
async function unlock() {
  if (await askForKey()) settle();
}

function busy(on) {
  clearTimeout(timers.slow);
  byId("results").setAttribute("aria-busy", String(on));
  if (on) timers.slow = setTimeout(() => fill(byId("status"), "This takes longer than usual …"), SLOW_MS);
}

/** What was typed is a search now. */
function settle() {
  clearTimeout(timers.preview);
  clearTimeout(timers.settle);
  counted = state;
  return refresh(false);
}

/** Let the address say what is asked; whether it said something else. */
function navigate() {
  const address = write(state);
  document.title = state.q ? `${state.q} · Bandstand` : "Bandstand";
  if (address === location.pathname + location.search) return false;
  history[newEntry ? "pushState" : "replaceState"](null, "", address);
  return true;
}

/** A key: its request leaves before anything else is done. */
function typed() {
  state = { ...state, q: field.value, literal: false, n: PAGE };
  clearTimeout(timers.preview);
  clearTimeout(timers.settle);
  if (performance.now() - previewed >= BURST_MS) preview();
  else timers.preview = setTimeout(preview, BURST_MS);
  timers.settle = setTimeout(settle, SETTLE_MS);
}

/** Results first: the address, and completions from the same server, would take time from them. */
async function preview() {
  const { q } = state;
  previewed = performance.now();
  await refresh(true);
  if (state.q !== q) return; // another key has its own
  if (navigate()) newEntry = false;
  suggestions.show(q);
}

/** Change a part of the state on purpose: a step of the history, and a search. Another query may be corrected again. */
function change(part) {
  state = { ...state, n: PAGE, ...(part.q !== undefined && { literal: false }), ...part };
  if (part.q !== undefined) suggestions.show(part.q);
  show();
  navigate();
  newEntry = true;
  settle();
}

function show() {
  if (field.value !== state.q) field.value = state.q;
  showControls(state, change);
}

/** What somebody does with a hit. */
async function act(action, entry) {
  newEntry = true;
  if (action === "why") return explain(entry);
  if (action === "play") return player.toggle(entry);
  if (action === "skip") view.skip(entry.hit.entity_id);
  if (action === "save" && !view.toggleSaved(entry.hit.entity_id)) return;
  if (action !== "skip") entry.won?.();
  const taken = report(action === "open" || action === "visit" ? "click" : action, entry);
  if (action === "open") explain(entry);
  tell(byId("told"), (await taken) ? DONE[action] : "This could not be reported: the server does not answer");
}

/** Open the sheet of a hit. A preview was not logged and cannot be explained: what was typed becomes a search first. */
async function explain(entry) {
  if (!entry.answer.preview) return openSheet(entry, { filter, open: (q) => change({ q, kind: "" }) });
  await settle();
  view.find(entry.hit.entity_id)?.querySelector(".act-why").click();
}

function filter(name, value) {
  change({ filters: [...state.filters.filter((pair) => pair.join() !== `${name},${value}`), [name, value]] });
}

field.addEventListener("input", typed);
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  if (counted === state && field.value === state.q) newEntry = true; // a pause before Enter has made it a search already
  else change({ q: field.value });
});
byId("more").addEventListener("click", async () => {
  if (shown[0].preview) await settle();
  more().catch(failed);
});
addEventListener("popstate", () => {
  state = read();
  newEntry = true;
  show();
  settle();
});

installControls(change);
installIdentity((message) => {
  tell(byId("told"), message);
  if (state.q) settle();
});
installKeyboard(suggestions);
show();
settle();
