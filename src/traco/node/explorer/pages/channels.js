// Channels: those of the reader's member on this node, how far each is, and what holds it up. Nothing of what is in them.

import { h, section, table } from "../dom.js";
import { get } from "../node.js";
import { badge, code, party } from "../readable.js";
import { say, word } from "../words.js";

export async function channels() {
  const { items, offers } = await get("/v1/channels");
  return [h("h1", null, say("channels")), h("p", null, say("channels_text")), channelTable(items),
    offers.length ? section(say("channel_offers"), offerTable(offers)) : null];
}

function channelTable(items) {
  return table(say("channels"), [
    { title: say("in_channel"), cell: (row) => code(row.id) },
    { title: say("channel_member"), cell: (row) => [party(row.member), ` (${word(row.role)})`] },
    { title: say("channel_with"), cell: (row) => row.members.filter((id) => id !== row.member).map((id) => h("div", null, party(id))) },
    { title: say("status"), cell: (row) => badge(row.status) },
    { title: say("epoch"), cell: (row) => row.epoch, kind: "number" },
    { title: say("channel_points"), cell: (row) => row.ordinal, kind: "number" },
    { title: say("channel_unconfirmed"), cell: (row) => BigInt(row.ordinal) - BigInt(row.confirmed), kind: "number" },
    { title: say("channel_problem"), cell: (row) => (row.problem ? h("code", null, row.problem) : say("channel_well")) },
  ], items, say("channels_none"));
}

function offerTable(offers) {
  return table(say("channel_offers"), [
    { title: say("in_channel"), cell: (row) => code(row.channel) },
    { title: say("epoch"), cell: (row) => row.epoch, kind: "number" },
    { title: say("channel_member"), cell: (row) => party(row.member) },
    { title: say("status"), cell: (row) => [badge(row.status), row.code ? h("code", null, row.code) : null] },
  ], offers, say("channels_none"));
}
