// Documents: those of a party, and one with its confirmations, matches, financing and history.

import { facts, h, section, table } from "../dom.js";
import { find, get, query } from "../node.js";
import { badge, code, decimal, link, money, moment, party } from "../readable.js";
import { field, say, word } from "../words.js";
import { more } from "./blocks.js";
import { financingTable } from "./financing.js";
import { history } from "./history.js";
import { optional } from "./optional.js";

const PAGE = 100;

export async function documents(id, signal, parameters) {
  const page = await optional(() => get("/v1/reports/documents", { limit: PAGE, after: parameters.get("after") }));
  if (page === null) return [h("h1", null, say("documents")), h("p", { class: "empty" }, say("no_projections"))];
  return [h("h1", null, say("documents")), documentTable(page.items), more("documents", page.next)];
}

/** Views as the query document.by_party answers them, or rows of the report of documents. */
export function documentTable(views) {
  return table(say("documents"), [
    { title: say("id"), cell: (view) => link("document", view.document) },
    { title: say("kind"), cell: (view) => word((view.record ?? view).kind) },
    { title: say("status"), cell: (view) => badge((view.record ?? view).status) },
    { title: say("payable"), kind: "number", cell: (view) => payable((view.record ?? view).payable) },
    { title: say("due_date"), cell: (view) => (view.record ?? view).due_date ?? "–" },
  ], views, say("nothing"));
}

function payable(amount) {
  if (!amount) return say("undisclosed");
  // ISO 4217: nearly all currencies have two decimals; the browser knows the others
  const decimals = new Intl.NumberFormat("en", { style: "currency", currency: amount.currency }).resolvedOptions().maximumFractionDigits;
  return `${decimal(amount.amount, decimals)} ${amount.currency}`;
}

export async function document_(id) {
  const view = await find("document.get", { document: id });
  if (view === null) return h("h1", null, say("not_found"));
  const found = view.record;
  const [status, receivable, financings, matches] = await Promise.all([
    find("financing.status", { document: id }), find("financing.receivable", { document: id }),
    query("financing.by_document", { document: id, limit: PAGE }), find("document.matches", { document: id })]);
  return [h("h1", null, word(found.kind)),
    facts([[say("id"), code(id)], [say("status"), badge(found.status)], [say("registry_status"), status && badge(status.status)],
      [say("confirmed"), say(view.confirmed ? "yes" : "no")], [say("payable"), payable(found.payable)], [say("issue_date"), found.issue_date],
      [say("due_date"), found.due_date], [field("registrant"), party(found.registrant)],
      [say("parties"), h("ul", { class: "plain" }, found.roles.map((one) => h("li", null, word(one.role), ": ", one.party ? party(one.party) : `${one.identifier.scheme}:${one.identifier.value}`)))],
      [field("duplicate_of"), found.duplicate_of ? link("document", found.duplicate_of) : null],
      [say("superseded_by"), found.superseded_by ? link("document", found.superseded_by) : null],
      [say("content_commitment"), code(found.content_commitment)]]),
    people(say("confirmations"), found.confirmations, (one) => (one.amount === null ? say("in_full") : payable({ ...found.payable, amount: one.amount }))),
    people(say("disputes"), found.disputes, (one) => word(one.reason)),
    receivable ? section(say("receivable"), receivableFacts(receivable)) : null,
    financings.length ? section(say("financings"), financingTable(financings)) : null,
    matches?.found.length ? section(say("matches"), table(say("matches"), [
      { title: say("document"), cell: (row) => link("document", row.document) },
      { title: say("strength"), cell: (row) => word(row.strength) },
    ], matches.found, say("nothing"))) : null,
    await history(id)];
}

function people(title, rows, what) {
  return rows.length ? section(title, h("ul", { class: "plain" }, rows.map((one) => h("li", null, party(one.party), ": ", what(one))))) : null;
}

function receivableFacts(view) {
  const found = view.record ?? view;
  const unit = found.instrument;
  const isPaid = view.unpaid !== undefined && BigInt(view.unpaid) === 0n;
  return facts([[say("instrument"), link("instrument", unit)], [field("debtor"), party(found.debtor)], [field("total"), money(found.total, unit)],
    [say("paid"), money(found.paid, unit)], [field("unpaid"), view.unpaid === undefined ? null : money(view.unpaid, unit)],
    [say("financed"), money(found.financed, unit)], [say("due"), found.due_ms ? moment(found.due_ms) : null], [say("overdue"), isPaid ? null : say(found.overdue ? "yes" : "no")]]);
}
