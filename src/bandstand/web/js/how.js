// How every number of the dashboard is computed, as the server defines it.

import { byId, fill, h } from "./dom.js";
import { read, section } from "./operator.js";

const show = async () => {
  const { charts } = await read("explanations");
  fill(
    byId("explanations"),
    charts.map(({ name, title, unit, how }) =>
      h(
        "article",
        { id: name, class: "how" },
        h("h2", {}, title, " ", h("span", { class: "quiet" }, unit)),
        h("p", {}, how),
      ),
    ),
  );
};

addEventListener("unlocked", () => section(byId("explanations"), show));
await section(byId("explanations"), show);
byId(location.hash.slice(1))?.scrollIntoView();
