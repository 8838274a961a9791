// An account: whose it is, what is in it, and a statement of it for a time.

import { facts, fill, h, section, table } from "../dom.js";
import { find, get, NodeError, query } from "../node.js";
import { account as accountLink, badge, code, digits, instrument as instrumentLink, instrumentOf, link, money, moment, party, reference } from "../readable.js";
import { field, say, word } from "../words.js";
import { optional } from "./optional.js";

const PARTS = ["available", "held", "pledged", "attached", "bucket"];
const PAGE = 100;

/** What a holding counts in all, exact. */
export function owned(holding) {
  return PARTS.reduce((sum, part) => sum + BigInt(holding[part]), 0n);
}

export async function account(id) {
  const found = await find("holding.account", { account: id });
  if (found === null) return h("h1", null, say("not_found"));
  const rows = await query("holding.by_account", { account: id, limit: 1000 });
  return [h("h1", null, say("account")),
    facts([[say("id"), code(id)], [field("owner"), party(found.owner)], [field("servicer"), party(found.servicer)], [say("kind"), word(found.kind)],
      [field("parent"), found.parent ? accountLink(found.parent) : null], [say("status"), badge(found.closed ? "closed" : "active")]]),
    section(say("holdings"), table(say("holdings"), [
      { title: say("instrument"), cell: (row) => instrumentLink(row.instrument) },
      { title: say("owned"), kind: "number", cell: (row) => money(owned(row.holding), row.instrument) },
      ...PARTS.map((part) => ({ title: field(part), kind: "number", cell: (row) => digits(row.holding[part], row.instrument) })),
    ], rows, say("nothing"))),
    rows.length ? section(say("statement"), await statementForm(id, rows)) : null];
}

async function statementForm(id, rows) {
  const result = h("div", { role: "region", "aria-live": "polite" });
  const choices = await Promise.all(rows.map(async (row) => [row.instrument, (await instrumentOf(row.instrument))?.code ?? row.instrument]));
  const chosen = h("select", { id: "statement-instrument", name: "instrument" }, choices.map(([value, text]) => h("option", { value }, text)));
  const from = h("input", { id: "statement-from", type: "date", name: "from" });
  const to = h("input", { id: "statement-to", type: "date", name: "to" });
  const show = async (event) => {
    event?.preventDefault();
    // days as the browser gives them, such as 2026-11-20, are in the order of their texts
    if (from.value && to.value && to.value < from.value) fill(result, problem(say("period_reversed")));
    else await statement(result, id, chosen.value, begin(from.value, 0), begin(to.value, 1));
  };
  await show();
  return [h("form", { class: "line", onsubmit: show },
    h("label", null, say("instrument"), chosen), h("label", null, say("from"), from), h("label", null, say("to"), to),
    h("button", null, say("show"))), result];
}

/** The first millisecond of a day of the reader's calendar, or of the day after it; null for no day. */
function begin(day, later) {
  if (!day) return null;
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).getTime();
}

function problem(text) {
  return h("p", { class: "problem" }, text);
}

async function statement(result, id, instrument, fromMs, toMs, after = null) {
  let page;
  try {
    page = await optional(() => get("/v1/reports/statement", { account: id, instrument, from_ms: fromMs, to_ms: toMs, limit: PAGE, after }));
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    fill(result, problem(error.message));
    return;
  }
  if (page === null) {
    fill(result, h("p", { class: "empty" }, say("no_projections")));
    return;
  }
  fill(result,
    facts([[say("opening"), money(page.opening, instrument)], [say("closing"), money(page.closing, instrument)]]),
    table(say("statement"), [
      { title: say("time"), cell: (row) => moment(row.time_ms) },
      { title: say("transaction"), cell: (row) => link("tx", row.transaction) },
      { title: say("counterparty"), cell: (row) => (row.counter_account ? accountLink(row.counter_account) : word(row.cause)) },
      { title: say("reference"), cell: (row) => reference(row.reference) },
      { title: say("amount"), kind: "number", cell: (row) => digits(row.amount, instrument) },
      { title: say("balance"), kind: "number", cell: (row) => digits(row.balance, instrument) },
    ], page.items, say("no_movements")),
    page.next ? h("button", { type: "button", onclick: () => statement(result, id, instrument, fromMs, toMs, page.next) }, say("more")) : null);
}
