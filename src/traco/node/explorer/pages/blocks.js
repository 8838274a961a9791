// Blocks: a page of them, and one with its transactions.

import { facts, h, section, table } from "../dom.js";
import { get } from "../node.js";
import { badge, code, link, moment } from "../readable.js";
import { say, word } from "../words.js";

const PAGE = 50;

export function blockTable(items) {
  return table(say("blocks"), [
    { title: say("height"), kind: "number", cell: (row) => link("block", row.height, row.height) },
    { title: say("time"), cell: (row) => moment(row.time_ms) },
    { title: say("transactions"), kind: "number", cell: (row) => row.leaf_count },
    { title: say("app_hash"), cell: (row) => h("code", { title: row.app_hash }, row.app_hash.slice(0, 16)) },
  ], items, say("no_blocks"));
}

export async function blocks(id, signal, parameters) {
  const page = await get("/v1/blocks", { limit: PAGE, before: parameters.get("after") });
  return [h("h1", null, say("blocks")), blockTable(page.items), more("blocks", page.next)];
}

/** The way to the next page of a list, where there is one. */
export function more(path, next) {
  return next === null ? null : h("p", { class: "more" }, h("a", { href: `#/${path}?after=${encodeURIComponent(next)}` }, say("more")));
}

export async function block(id, signal, parameters) {
  const found = await get(`/v1/blocks/${encodeURIComponent(id)}`, { first: parameters.get("first") });
  const height = Number(found.height);
  return [h("h1", null, `${say("block")} ${height}`),
    h("p", { class: "steps" }, height > 0 ? link("block", height - 1, `← ${height - 1}`) : null, " ", link("block", height + 1, `${height + 1} →`)),
    facts([[say("time"), moment(found.time_ms)], [say("app_hash"), code(found.app_hash)], [say("state_root"), code(found.state_root)]]),
    section(say("transactions"), table(say("transactions"), [
      { title: say("place"), kind: "number", cell: (row) => row.leaf },
      { title: say("id"), cell: (row) => link("tx", row.id) },
      { title: say("kind"), cell: (row) => (row.visible ? word(row.kind) : "–") },
      { title: say("outcome"), cell: (row) => outcome(row) },
      { title: say("events"), kind: "number", cell: (row) => (row.visible ? row.events.length : "–") },
    ], found.leaves, say("no_transactions"))),
    found.next === null ? null : h("p", { class: "more" }, h("a", { href: `#/block/${height}?first=${found.next}` }, say("more")))];
}

function outcome(row) {
  if (!row.visible) return h("span", { class: "empty" }, say("not_yours"));
  return row.failure ? [badge("rejected"), " ", h("code", null, row.failure)] : badge("final");
}
