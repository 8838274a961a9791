// Instruments: all of them, and one with its totals and holders.

import { facts, h, section, table } from "../dom.js";
import { find, get, query } from "../node.js";
import { account, badge, code, link, money, party } from "../readable.js";
import { field, say, word } from "../words.js";
import { more } from "./blocks.js";
import { owned } from "./account.js";
import { history } from "./history.js";
import { optional } from "./optional.js";

const PAGE = 100;

export async function instruments(id, signal, parameters) {
  const page = await get("/v1/instruments", { limit: PAGE, after: parameters.get("after") });
  return [h("h1", null, say("instruments")), instrumentTable(page.items), more("instruments", page.next)];
}

/** Instruments as the list of them has them. */
export function instrumentTable(items) {
  return table(say("instruments"), [
    { title: say("code"), cell: (row) => link("instrument", row.id, row.instrument.code) },
    { title: say("kind"), cell: (row) => word(row.instrument.kind) },
    { title: say("currency"), cell: (row) => row.instrument.currency ?? "–" },
    { title: field("issuer"), cell: (row) => party(row.instrument.issuer) },
    { title: say("status"), cell: (row) => badge(row.instrument.closed ? "closed" : "active") },
  ], items, say("nothing"));
}

export async function instrument(id) {
  const found = await find("holding.instrument", { instrument: id });
  if (found === null) return h("h1", null, say("not_found"));
  const [supply, holders] = await Promise.all([
    optional(() => query("holding.supply", { instrument: id })), optional(() => query("holding.holders", { instrument: id, limit: PAGE }))]);
  return [h("h1", null, found.code),
    facts([[say("id"), code(id)], [say("kind"), word(found.kind)], [say("currency"), found.currency], [say("decimals"), found.decimals],
      [field("issuer"), party(found.issuer)], [field("operators"), found.operators.map((one) => [party(one), " "])],
      [say("status"), badge(found.closed ? "closed" : "active")],
      [say("issued"), supply && money(supply.issued, id)], [say("redeemed"), supply && money(supply.redeemed, id)],
      [say("outstanding"), supply && money(supply.outstanding, id)]]),
    holders ? section(say("holders"), table(say("holders"), [
      { title: say("account"), cell: (row) => account(row.account) },
      { title: say("owned"), kind: "number", cell: (row) => money(owned(row.holding), id) },
    ], holders, say("nothing"))) : null,
    await history(id)];
}
