// A financing: the request, the offers on it, and the deal that came of it.

import { facts, h, section, table } from "../dom.js";
import { find, query } from "../node.js";
import { badge, code, instrument, link, money, moment, party } from "../readable.js";
import { field, say } from "../words.js";
import { history } from "./history.js";

/** Views as the query financing.by_document answers them. */
export function financingTable(views) {
  return table(say("financings"), [
    { title: say("id"), cell: (view) => link("financing", view.id) },
    { title: say("status"), cell: (view) => badge(view.discharged ? "discharged" : view.record.status) },
    { title: field("face"), kind: "number", cell: (view) => money(view.record.face, view.record.cash) },
    { title: field("lender"), cell: (view) => (view.record.deal ? party(view.record.deal.lender) : "–") },
  ], views, say("nothing"));
}

export async function financing(id) {
  const view = await find("financing.get", { financing: id });
  if (view === null) return h("h1", null, say("not_found"));
  const found = view.record;
  const offers = await query("financing.offers", { financing: id, limit: 100 });
  return [h("h1", null, say("financing")),
    facts([[say("id"), code(id)], [say("status"), badge(view.discharged ? "discharged" : found.status)], [say("document"), link("document", found.document)],
      [field("seller"), party(found.seller)], [field("face"), money(found.face, found.cash)], [say("currency"), instrument(found.cash)],
      [say("valid_until"), moment(found.expires_ms)]]),
    found.deal ? section(say("deal"), facts([[field("lender"), party(found.deal.lender)], [field("price"), money(found.deal.price, found.cash)],
      [say("recourse"), say(found.deal.recourse ? "yes" : "no")], [say("batch"), link("batch", found.deal.batch)]])) : null,
    section(say("offers"), table(say("offers"), [
      { title: field("lender"), cell: (row) => party(row.record.lender) },
      { title: field("price"), kind: "number", cell: (row) => money(row.record.price, found.cash) },
      { title: say("recourse"), cell: (row) => say(row.record.recourse ? "yes" : "no") },
      { title: say("status"), cell: (row) => badge(row.record.status) },
      { title: say("valid_until"), cell: (row) => moment(row.record.valid_until_ms) },
    ], offers, say("nothing"))),
    await history(id)];
}
