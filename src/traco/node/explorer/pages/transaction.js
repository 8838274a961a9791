// A transaction: who asked for what, what came of it, and its finality receipt.

import { facts, h, section } from "../dom.js";
import { bytes, get } from "../node.js";
import { badge, code, link, moment, relate, statement } from "../readable.js";
import { say, word } from "../words.js";

export async function transaction(id) {
  const found = await get(`/v1/transactions/${encodeURIComponent(id)}`);
  relate(found.instructions ?? [], found.events);
  const ended = found.status === "final" || found.status === "rejected";
  return [h("h1", null, say("transaction")),
    facts([[say("id"), code(found.id)], [say("kind"), found.kind ? word(found.kind) : null], [say("status"), badge(found.status)],
      [say("time"), found.time_ms ? moment(found.time_ms) : null],
      [say("block"), ended ? link("block", found.height, found.height) : null], [say("place"), ended ? found.leaf : null],
      [say("valid_until"), found.valid_until ? moment(found.valid_until) : null],
      [say("signers"), found.signers?.length ? h("ul", { class: "plain" }, found.signers.map((key) => h("li", null, code(key)))) : null]]),
    found.failure ? h("div", { class: "problem" }, h("p", null, found.failure.text), h("p", null, h("code", null, found.failure.code))) : null,
    found.instructions?.length ? section(say("instructions"), h("ol", { class: "statements" }, found.instructions.map((one) => h("li", null, statement(one))))) : null,
    section(say("events"), found.events.length ? h("ol", { class: "statements" }, found.events.map((event) => h("li", null, statement(event)))) : h("p", { class: "empty" }, say("no_events"))),
    ended && found.instructions?.length ? section(say("receipt"), h("p", null, say("receipt_text")), receiptButton(found.id)) : null];
}

function receiptButton(id) {
  const save = async () => {
    const content = await bytes(`/v1/transactions/${id}/receipt`);
    const address = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
    h("a", { href: address, download: `${id.slice(0, 16)}.receipt` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };
  return h("p", null, h("button", { type: "button", id: "save-receipt", onclick: save }, say("save_receipt")), " ",
    h("a", { href: `#/verify/${id}` }, say("verify_this")));
}
