// Two policies on one query: interleaved by team draft, with wins counted.

const TALLY = "bandstand.interleaving";

/**
 * Team-draft interleaving of two rankings (Radlinski, Kurup & Joachims 2008): the team with fewer picks goes next, a
 * coin decides where both have as many; each picks its best hit that is not on the page yet. `coin` gives [0, 1).
 * Returns up to `k` pairs of team (0 or 1) and hit.
 */
export function teamDraft(first, second, k, coin = Math.random) {
  const rankings = [[...first], [...second]];
  const picks = [0, 0];
  const taken = new Set();
  const page = [];
  while (page.length < k) {
    for (const ranking of rankings) while (ranking.length && taken.has(ranking[0].entity_id)) ranking.shift();
    const open = [0, 1].filter((team) => rankings[team].length > 0);
    if (open.length === 0) break;
    const fewer = picks[0] === picks[1] ? Math.floor(2 * coin()) : Number(picks[1] < picks[0]);
    const team = open.includes(fewer) ? fewer : open[0];
    const hit = rankings[team].shift();
    picks[team] += 1;
    taken.add(hit.entity_id);
    page.push({ team, hit });
  }
  return page;
}

/** Which policy wins an interleaved page: the one whose hits were clicked more often. Counted in this browser. */
export class Tally {
  #key;
  #clicks = [0, 0];

  constructor(policies) {
    this.#key = policies.join("|");
  }

  /** A click on a hit of a team, 0 or 1. */
  click(team) {
    const before = this.#outcome();
    this.#clicks[team] += 1;
    const counts = this.counts();
    if (before !== null) counts[before] -= 1;
    counts[this.#outcome()] += 1;
    localStorage.setItem(TALLY, JSON.stringify({ ...Tally.#all(), [this.#key]: counts }));
  }

  /** Pages that each policy won, and ties, since counting began. */
  counts() {
    return { first: 0, second: 0, tie: 0, ...Tally.#all()[this.#key] };
  }

  /** Begin counting anew. */
  reset() {
    const { [this.#key]: _, ...others } = Tally.#all();
    localStorage.setItem(TALLY, JSON.stringify(others));
  }

  #outcome() {
    const [first, second] = this.#clicks;
    if (first + second === 0) return null;
    return first === second ? "tie" : first > second ? "first" : "second";
  }

  static #all() {
    return JSON.parse(localStorage.getItem(TALLY) ?? "{}");
  }
}
