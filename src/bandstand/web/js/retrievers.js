// What the retrievers are: the server tells it once, with their colours, titles and costs, and what the ranker sees.

import { arms } from "./api.js";
import { h } from "./dom.js";

let asked = null;
let known = new Map();
let features = {};

/** The retrievers by name, in the order in which they are decided about; empty while they cannot be known. */
export async function retrievers() {
  asked ??= arms().then((answer) => {
    known = new Map(answer.arms.map((retriever) => [retriever.arm, retriever]));
    features = answer.features;
    const { style } = document.documentElement;
    for (const { arm, colour } of answer.arms) style.setProperty(`--arm-${arm}`, `light-dark(${colour.light}, ${colour.dark})`);
    return known;
  });
  return asked.catch(() => {
    asked = null;
    return known;
  });
}

/** What a retriever finds, in words. */
export const title = (arm) => known.get(arm)?.title ?? "";

/** Whether it finds something whatever was typed. */
export const findsAnyway = (arm) => known.get(arm)?.answers_query === false;

export const featureTitle = (feature) => features[feature];

/** The name of a retriever beside its colour, which may come later than the name. */
export function named(arm, text = arm, attributes = {}) {
  return h("span", { class: "arm", vars: { colour: `var(--arm-${arm}, currentcolor)` }, ...attributes }, text);
}
