// The first page: where the ledger stands, and what happens on it now.

import { facts, fill, h, section } from "../dom.js";
import { follow, get, NodeError } from "../node.js";
import { code, link, moment, statement } from "../readable.js";
import { say } from "../words.js";
import { blockTable } from "./blocks.js";

const SHOWN_EVENTS = 12;
const SHOWN_BLOCKS = 8;
const PAUSE_MS = 3000;

export async function overview(id, signal) {
  const standing = h("div", null);
  const latest = h("div", null);
  const events = h("ol", { class: "feed", reversed: true });
  const pulse = h("p", { class: "pulse", role: "status" }, say("connecting"));
  await refresh(standing, latest);
  watch(events, pulse, () => refresh(standing, latest), signal);
  return [h("h1", null, say("overview")), standing,
    h("div", { class: "columns" }, section(say("latest_blocks"), latest), section(say("live"), pulse, events))];
}

async function refresh(standing, latest) {
  const [status, page] = await Promise.all([get("/v1/status"), recent()]);
  fill(standing, h("div", { class: "tiles" },
    tile(say("height"), h("span", { id: "height" }, status.height)), tile(say("ledger_time"), moment(status.time_ms)),
    tile(say("version"), status.version)),
  facts([[say("network"), code(status.network)]]));
  if (page) fill(latest, blockTable(page.items), h("p", null, h("a", { href: "#/blocks" }, say("all_blocks"))));
  else fill(latest, h("p", null, h("a", { href: "#/access" }, say("give_token"))));
}

async function recent() {
  try {
    return await get("/v1/blocks", { limit: SHOWN_BLOCKS });
  } catch (error) {
    if (error instanceof NodeError && error.status === 401) return null;
    throw error;
  }
}

function tile(title, content) {
  return h("div", { class: "tile" }, h("span", null, title), h("strong", null, content));
}

/** Show events as they are committed until the page is left; after a lost connection go on where it ended. */
async function watch(events, pulse, changed, signal) {
  let position = "";
  let height = "";
  while (!signal.aborted) {
    try {
      await follow(position, (kind, at, data) => {
        fill(pulse, say("live_now"));
        position = at || position;
        if (kind !== "ledger") return;
        events.prepend(h("li", null, h("small", null, link("tx", data.transaction), " ", moment(data.time_ms)), statement(data.event)));
        while (events.children.length > SHOWN_EVENTS) events.lastElementChild.remove();
        if (at.split(".")[0] !== height) {
          height = at.split(".")[0];
          changed().catch(() => {});
        }
      }, signal);
    } catch (error) {
      if (signal.aborted) return;
      fill(pulse, error instanceof NodeError ? error.message : say("connection_lost"));
      if (error instanceof NodeError && error.status >= 400 && error.status < 429) return;
    }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}
