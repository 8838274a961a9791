// Finds what a text means: a height, an id of 16 or 32 bytes, an LEI.

import { h } from "../dom.js";
import { find, get } from "../node.js";
import { say } from "../words.js";
import { optional } from "./optional.js";

const PLACES = [["party", "party.get", "party"], ["account", "holding.account", "account"], ["instrument", "holding.instrument", "instrument"],
  ["document", "document.get", "document"], ["financing", "financing.get", "financing"], ["batch", "settlement.batch", "batch"]];

export async function search(text) {
  const target = await place(text.trim().toLowerCase(), text.trim());
  if (target === null) return [h("h1", null, say("not_found")), h("p", null, say("search_nothing", { text }))];
  location.replace(`#/${target}`);
  return h("h1", null, say("search"));
}

async function place(lower, text) {
  if (/^\d{1,15}$/.test(lower)) return `block/${lower}`;
  if (/^[0-9a-f]{64}$/.test(lower)) return (await optional(() => get(`/v1/transactions/${lower}`))) ? `tx/${lower}` : null;
  if (/^[0-9a-f]{32}$/.test(lower)) {
    const found = await Promise.all(PLACES.map(([, name, field]) => find(name, { [field]: lower }).catch(() => null)));
    const index = found.findIndex((answer) => answer !== null);
    return index < 0 ? null : `${PLACES[index][0]}/${lower}`;
  }
  if (/^[A-Z0-9]{20}$/.test(text.toUpperCase())) {
    const view = await find("party.by_lei", { lei: text.toUpperCase() });
    return view && `party/${view.id}`;
  }
  return null;
}
