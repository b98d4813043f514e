// The results on the page: one list, two lists side by side, or two rankings interleaved into one.

import { Tally, teamDraft } from "./compare.js";
import { byId, fill, h, milliseconds, short } from "./dom.js";
import { words } from "./highlight.js";
import { row } from "./hits.js";
import { correction, nothing, unmatched } from "./messages.js";
import { kindPlural, policyName } from "./names.js";
import { findsAnyway } from "./retrievers.js";
import { ENOUGH, evidence } from "./sequential.js";
import { LIMIT } from "./state.js";

export class View {
  #lists = byId("lists");

  /** `act(action, entry)` is called for what is done with a hit, `change(part)` to change the state. */
  constructor(act, change) {
    this.act = act;
    this.change = change;
    this.saved = new Set();
  }

  /** Show the answers (one, or two to compare) to a state. */
  show(state, answers) {
    const mixed = state.mix && answers.length > 1;
    const columns = mixed ? [this.#interleaved(answers, state.n)] : answers.map((answer) => this.#entries(answer));
    const focused = document.activeElement?.closest(".hit")?.dataset.id;
    this.#lists.className = columns.length > 1 ? "columns" : "";
    fill(
      this.#lists,
      columns.flatMap((entries, index) => this.#column(entries, columns.length > 1 && answers[index])),
    );
    if (focused) this.find(focused)?.querySelector(".title").focus();
    fill(byId("status"), summary(answers));
    this.#remark(state, answers);
    this.#notice(state, answers);
    byId("more").hidden = answers.length > 1 || answers[0].hits.length < state.n || state.n >= LIMIT;
  }

  clear() {
    fill(this.#lists);
    fill(byId("status"));
    fill(byId("remark"));
    byId("more").hidden = true;
  }

  /** The row of an entity. */
  find(id) {
    return this.#lists.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  #entries(answer) {
    return answer.hits.map((hit) => ({ hit, answer, position: hit.position }));
  }

  #interleaved(answers, k) {
    const policies = answers.map((answer) => answer.decision.policy);
    const tally = new Tally(policies);
    return teamDraft(answers[0].hits, answers[1].hits, k).map(({ team, hit }, index) => ({
      hit,
      answer: answers[team],
      position: index + 1,
      team: { method: "team-draft", team: policies[team], against: policies[1 - team] },
      won: () => {
        tally.click(team);
        this.#wins(policies, tally);
      },
    }));
  }

  #column(entries, answer) {
    const settings = {
      queryWords: words(searched(entries[0]?.answer.query)),
      act: this.act,
      saved: this.saved,
    };
    const list = (some) =>
      h(
        "ol",
        { class: "hits" },
        some.map((entry) => row(entry, settings)),
      );
    const sections = entries[0]?.answer.sections;
    if (sections) return inSections(entries, sections).map(({ name, found }) => section(name, list(found)));
    if (!answer) return list(entries);
    return section(policyName(answer.decision.policy), list(entries), milliseconds(answer.took_ms));
  }

  #notice(state, answers) {
    const notice = byId("notice");
    if (answers.every((answer) => answer.hits.length === 0)) nothing(notice, state.q, this.#remedies(state));
    else if (state.mix && answers.length > 1) {
      const policies = answers.map((answer) => answer.decision.policy);
      this.#wins(policies, new Tally(policies));
    } else fill(notice);
  }

  /** What one should know about the hits, in the line above them: it comes and goes with every key, and moves nothing. */
  #remark(state, answers) {
    const remark = byId("remark");
    const { query } = answers[0];
    const hits = answers.flatMap((answer) => answer.hits);
    if (query.normalized && hits.length > 0 && hits.every(isFiller)) unmatched(remark, state.q);
    else if (query.corrected) correction(remark, query, (part) => this.change(part));
    else fill(remark);
  }

  #wins(policies, tally) {
    const { first, second, tie } = tally.counts();
    const reset = () => {
      tally.reset();
      this.#wins(policies, tally);
    };
    fill(
      byId("notice"),
      h(
        "p",
        { class: "wins" },
        "Interleaved; clicks decide. ",
        h("b", {}, `${policyName(policies[0])} ${first}`),
        " : ",
        h("b", {}, `${second} ${policyName(policies[1])}`),
        `, ${tie} even. `,
        h("span", { title: "Evidence against equality; it may be looked at any time" }, judged(first, second)),
        " ",
        h("button", { type: "button", class: "link", on: { click: reset } }, "count anew"),
      ),
    );
  }

  #remedies({ kind, filters, policy }) {
    return [
      kind && ["Look among all kinds", () => this.change({ kind: "" })],
      filters.length > 0 && ["Remove the filters", () => this.change({ filters: [] })],
      policy && policy !== "all" && ["Ask every retriever", () => this.change({ policy: "all" })],
    ].filter(Boolean);
  }

  /** Mark an entity as saved or not. */
  toggleSaved(id) {
    if (!this.saved.delete(id)) this.saved.add(id);
    this.find(id)
      ?.querySelector(".act-save")
      .setAttribute("aria-pressed", String(this.saved.has(id)));
    return this.saved.has(id);
  }

  /** Take a skipped entity out of the list, leaving its place, so that nothing moves under the pointer. */
  skip(id) {
    this.find(id)?.classList.add("gone");
  }
}

/** Hits under a heading. */
function section(name, list, note) {
  return h("section", { "aria-label": name }, h("h2", {}, name, note && h("span", { class: "quiet" }, ` ${note}`)), list);
}

/** Entries as the sections of their page have them; what further pages brought comes after these. */
function inSections(entries, sections) {
  const rest = [...entries];
  const groups = sections.map(({ kind, hits }) => ({ name: kindPlural(kind), found: rest.splice(0, hits.length) }));
  return rest.length > 0 ? [...groups, { name: "More", found: rest }] : groups;
}

/** What the wins say so far. */
function judged(first, second) {
  const found = evidence(first, second);
  const enough = found >= ENOUGH ? "more than chance" : "not more than chance can do";
  return `${enough} (evidence ${short(found, 1)}, ${ENOUGH} is enough)`;
}

/** Whether a hit is there whatever was typed. */
function isFiller({ sources }) {
  return Object.keys(sources).every(findsAnyway);
}

function summary(answers) {
  const found = answers.map((answer) => answer.hits.length);
  const played = answers.map(({ decision }) => decision.arms.filter((arm) => arm.depth > 0).length);
  if (answers.length > 1) return `${found.join(" and ")} hits of two policies`;
  return `${short(found[0])} hits in ${milliseconds(answers[0].took_ms)}, ${played[0]} of ${answers[0].decision.arms.length} retrievers played`;
}

/** The words that a page answers: the corrected ones where it shows results for them. */
function searched(query) {
  return [query?.text, query?.corrected?.text].filter(Boolean).join(" ");
}
