// What has happened to a thing, newest first: the events that name it, from the node's projections.

import { h, section } from "../dom.js";
import { get } from "../node.js";
import { link, moment, statement } from "../readable.js";
import { say } from "../words.js";
import { optional } from "./optional.js";

const PAGE = 50;

/** The section with the history of an id, or null where the node keeps none. */
export async function history(id) {
  const list = h("ol", { class: "feed" });
  const next = await load(list, id, null);
  if (next === undefined) return null;
  return section(say("history"), list.children.length ? list : h("p", { class: "empty" }, say("nothing")), next ? button(list, id, next) : null);
}

async function load(list, id, after) {
  const page = await optional(() => get("/v1/reports/history", { subject: id, limit: PAGE, after }));
  if (page === null) return undefined;
  list.append(...page.items.map((row) => h("li", null,
    h("small", null, moment(row.time_ms), " · ", link("tx", row.transaction), " · ", link("block", row.height, `${say("block")} ${row.height}`)), statement(row.event))));
  return page.next;
}

function button(list, id, after) {
  let next = after;
  const show = async (event) => {
    next = await load(list, id, next);
    if (!next) event.target.remove();
  };
  return h("button", { type: "button", onclick: show }, say("more"));
}
