// Facets: what the found entities are like, as filters one click away.

import { fill, h, short } from "./dom.js";

/** The attributes that are asked for with every search that counts. */
export const FACETS = ["genre", "year"];

const SHOWN = { genre: 7, year: 4 };

/** Show the facets of an answer; an answer without them (a preview) leaves what there is. */
export function showFacets(element, { facets }, chosen, choose) {
  if (!facets) return;
  const on = new Set(chosen.map((pair) => pair.join(":")));
  fill(
    element,
    FACETS.flatMap((name) =>
      (facets[name] ?? [])
        .filter(({ value }) => !on.has(`${name}:${value}`))
        .slice(0, SHOWN[name])
        .map((facet) => chip(name, facet, choose)),
    ),
  );
}

function chip(name, { value, count, total }, choose) {
  return h(
    "button",
    {
      type: "button",
      class: "chip facet",
      title: `Only ${name}: ${value}; ${short(total)} in the catalogue`,
      on: { click: () => choose(name, String(value)) },
    },
    h("bdi", {}, value),
    " ",
    h("span", { class: "count" }, short(count)),
  );
}
