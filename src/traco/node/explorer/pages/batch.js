// A settlement batch: its legs, who has given what, and how it ended.

import { facts, h, section, table } from "../dom.js";
import { find } from "../node.js";
import { badge, code, instrument, money, moment, party } from "../readable.js";
import { field, say } from "../words.js";
import { history } from "./history.js";

export async function batch(id) {
  const view = await find("settlement.batch", { batch: id });
  if (view === null) return h("h1", null, say("not_found"));
  const found = view.batch;
  const legs = found.legs.map((leg, index) => ({ ...leg, index }));
  return [h("h1", null, say("batch")),
    facts([[say("id"), code(id)], [say("status"), badge(view.complete ? "complete" : found.status)], [field("requestor"), party(found.requestor)],
      [say("valid_until"), moment(found.deadline_ms)], [say("legs"), found.size]]),
    legs.length ? section(say("legs"), table(say("legs"), [
      { title: field("sender"), cell: (leg) => party(leg.sender) },
      { title: field("receiver"), cell: (leg) => party(leg.receiver) },
      { title: say("instrument"), cell: (leg) => instrument(leg.instrument) },
      { title: say("amount"), kind: "number", cell: (leg) => money(leg.amount, leg.instrument) },
      { title: say("allocated"), cell: (leg) => say(found.allocations[leg.index] ? "yes" : "no") },
      { title: say("approved"), cell: (leg) => say(found.approvals[leg.index] ? "yes" : "no") },
    ], legs, say("nothing"))) : h("p", { class: "empty" }, say("legs_in_history")),
    await history(id)];
}
