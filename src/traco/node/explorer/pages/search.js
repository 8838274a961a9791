// Finds what a text means: a height, an id of 16 or 32 bytes or how one begins, an LEI, a party's name.

import { h, section } from "../dom.js";
import { find, get } from "../node.js";
import { say } from "../words.js";
import { instrumentTable } from "./instruments.js";
import { optional } from "./optional.js";
import { partyTable } from "./parties.js";

const PLACES = [["party", "party.get", "party"], ["account", "holding.account", "account"], ["instrument", "holding.instrument", "instrument"],
  ["document", "document.get", "document"], ["financing", "financing.get", "financing"], ["batch", "settlement.batch", "batch"]];
const LOOKED_AT = 1000;
const PREFIX = /^[0-9a-f]{6,32}$/;

export async function search(text) {
  const wanted = text.trim();
  const target = await place(wanted.toLowerCase(), wanted.toUpperCase());
  if (target !== null) {
    clear();
    location.replace(`#/${target}`);
    return h("h1", null, say("search"));
  }
  const [parties, instruments] = await hits(wanted.toLowerCase());
  if (parties.length + instruments.length === 0) return [h("h1", null, say("not_found")), h("p", null, say("search_nothing", { text }))];
  clear();
  return [h("h1", null, say("search")), h("p", null, say("search_found", { text })),
    parties.length ? section(say("parties"), partyTable(parties)) : null,
    instruments.length ? section(say("instruments"), instrumentTable(instruments)) : null];
}

function clear() {
  document.getElementById("search-text").value = "";
}

/** The address of the one thing that the text names, or null. */
async function place(lower, upper) {
  if (/^\d{1,15}$/.test(lower) && (!PREFIX.test(lower) || (await optional(() => get(`/v1/blocks/${Number(lower)}`))))) return `block/${Number(lower)}`;
  if (/^[0-9a-f]{64}$/.test(lower)) return (await optional(() => get(`/v1/transactions/${lower}`))) ? `tx/${lower}` : null;
  if (/^[0-9a-f]{32}$/.test(lower)) {
    const found = await Promise.all(PLACES.map(([, name, field]) => find(name, { [field]: lower }).catch(() => null)));
    const index = found.findIndex((answer) => answer !== null);
    return index < 0 ? null : `${PLACES[index][0]}/${lower}`;
  }
  if (/^[A-Z0-9]{20}$/.test(upper)) {
    const view = await find("party.by_lei", { lei: upper }).catch(() => null);
    return view && `party/${view.id}`;
  }
  return null;
}

/** The parties with the text in their name, and the parties and instruments whose id begins with it. */
async function hits(lower) {
  const begins = (row) => PREFIX.test(lower) && row.id.startsWith(lower);
  const [parties, instruments] = await Promise.all([get("/v1/parties", { limit: LOOKED_AT }),
    PREFIX.test(lower) ? get("/v1/instruments", { limit: LOOKED_AT }) : { items: [] }]);
  return [parties.items.filter((row) => row.party.name?.toLowerCase().includes(lower) || begins(row)), instruments.items.filter(begins)];
}
