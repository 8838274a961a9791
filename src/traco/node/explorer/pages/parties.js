// Parties: the register, and one party with its accounts, documents, batches and keys.

import { facts, h, section, table } from "../dom.js";
import { get, query } from "../node.js";
import { badge, code, link, moment, party as partyLink } from "../readable.js";
import { field, say, word } from "../words.js";
import { more } from "./blocks.js";
import { documentTable } from "./document.js";
import { history } from "./history.js";
import { optional } from "./optional.js";

const PAGE = 100;

export async function parties(id, signal, parameters) {
  const page = await get("/v1/parties", { limit: PAGE, after: parameters.get("after") });
  return [h("h1", null, say("parties")), partyTable(page.items), more("parties", page.next)];
}

/** Parties as the list of them has them. */
export function partyTable(items) {
  return table(say("parties"), [
    { title: say("name"), cell: (row) => link("party", row.id, row.party.name ?? undefined) },
    { title: say("kind"), cell: (row) => word(row.party.kind) },
    { title: say("status"), cell: (row) => badge(row.party.status) },
    { title: say("identifiers"), cell: (row) => row.party.identifiers.map((one) => `${one.scheme}:${one.value}`).join(", ") },
    { title: say("roles"), cell: (row) => row.party.roles.map(word).join(", ") },
  ], items, say("nothing"));
}

export async function party(id) {
  const view = await query("party.get", { party: id });
  if (view === null) return h("h1", null, say("not_found"));
  const found = view.party;
  const [accounts, documents, batches] = await Promise.all([
    optional(() => get(`/v1/parties/${id}/accounts`, { limit: PAGE })), optional(() => query("document.by_party", { party: id, limit: PAGE })),
    optional(() => get(`/v1/parties/${id}/batches`, { limit: PAGE }))]);
  return [h("h1", null, found.name ?? say("person")),
    facts([[say("id"), code(id)], [say("kind"), word(found.kind)], [say("status"), badge(found.status)], [say("country"), found.country],
      [say("identifiers"), found.identifiers.map((one) => `${one.scheme}:${one.value}`).join(", ")],
      [field("sponsor"), found.sponsor === id ? say("founding_member") : partyLink(found.sponsor)],
      [field("parent"), found.parent ? partyLink(found.parent) : null], [say("roles"), found.roles.map(word).join(", ")]]),
    accounts ? section(say("accounts"), accountTable(accounts.items)) : null,
    documents ? section(say("documents"), documentTable(documents)) : null,
    batches ? section(say("batches"), batchTable(batches.items)) : null,
    section(say("keys"), table(say("keys"), [
      { title: say("key"), cell: (row) => code(row.key) }, { title: say("roles"), cell: (row) => row.roles.map(word).join(", ") },
    ], found.keys, say("nothing"))),
    await history(id)];
}

function batchTable(items) {
  return table(say("batches"), [
    { title: say("id"), cell: (row) => link("batch", row.id) },
    { title: say("status"), cell: (row) => badge(row.status) },
    { title: field("requestor"), cell: (row) => partyLink(row.requestor) },
    { title: say("valid_until"), cell: (row) => moment(row.deadline_ms) },
    { title: say("legs"), kind: "number", cell: (row) => row.legs },
  ], items, say("nothing"));
}

function accountTable(items) {
  return table(say("accounts"), [
    { title: say("id"), cell: (row) => link("account", row.id) },
    { title: say("kind"), cell: (row) => word(row.account.kind) },
    { title: field("servicer"), cell: (row) => partyLink(row.account.servicer) },
  ], items, say("nothing"));
}
