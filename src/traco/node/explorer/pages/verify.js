// Verification of a finality receipt in the browser: the node is not asked whether it is true.

import { facts, fill, h, section } from "../dom.js";
import { bytes } from "../node.js";
import { code, moment, relate, statement } from "../readable.js";
import { say } from "../words.js";
import { verifyAny } from "../channel.js";
import { ReceiptInvalid, VerifierUnsupported } from "../verify.js";

const MAX_FILE_BYTES = 16 * 1024 * 1024;

export async function verify(id) {
  const result = h("div", { id: "verdict", role: "status", "aria-live": "polite" });
  const chosen = { receipt: null, genesis: null };
  const check = () => judge(chosen, result);
  if (id) {
    chosen.receipt = { name: `${id.slice(0, 16)}.receipt`, content: await bytes(`/v1/transactions/${encodeURIComponent(id)}/receipt`) };
    await check();
  }
  return [h("h1", null, say("verify")), h("p", null, say("verify_text")),
    h("div", { class: "columns" }, drop("receipt", chosen, check), drop("genesis", chosen, check)), result];
}

/** A field that takes a file by dropping or choosing. */
function drop(kind, chosen, check) {
  const name = h("p", { class: "empty" }, chosen[kind]?.name ?? say(`${kind}_none`));
  const take = async (file) => {
    if (!file) return;
    if (file.size > MAX_FILE_BYTES) {
      fill(name, say("too_large"));
      return;
    }
    chosen[kind] = { name: file.name, content: new Uint8Array(await file.arrayBuffer()) };
    fill(name, file.name);
    await check();
  };
  const input = h("input", { type: "file", id: `${kind}-file`, onchange: (event) => take(event.target.files[0]) });
  const area = h("div", { class: "drop" }, h("label", { for: `${kind}-file` }, say(`${kind}_file`)), input, name);
  const mark = (over) => (event) => {
    event.preventDefault();
    area.classList.toggle("over", over);
  };
  area.addEventListener("dragover", mark(true));
  area.addEventListener("dragleave", mark(false));
  area.addEventListener("drop", (event) => {
    mark(false)(event);
    take(event.dataTransfer.files[0]);
  });
  return area;
}

async function judge(chosen, result) {
  if (!chosen.receipt) return;
  // without a genesis of the reader's own, the node's: then only the node's word says which network it is
  const own = chosen.genesis !== null;
  const genesis = own ? chosen.genesis.content : await bytes("/v1/genesis");
  fill(result, h("p", null, say("checking")));
  try {
    const report = await verifyAny(chosen.receipt.content, genesis);
    fill(result, accepted(report, own, await shapes()));
  } catch (error) {
    if (!(error instanceof ReceiptInvalid || error instanceof VerifierUnsupported)) throw error;
    fill(result, h("div", { class: "problem verdict refused" }, h("h2", null, say("refused_title")), h("p", null, error.reason ?? error.message), h("p", null, h("code", null, error.code ?? "verifier.unsupported"))));
  }
}

/** The names of the fields of instructions and events, which receipts have by position. The file belongs to the page. */
async function shapes() {
  return (await fetch("/explorer/shapes.json")).json();
}

/** A record of a receipt with the names of its fields, as the ledger's REST interface gives it. */
function named({ type, values }, shape) {
  const names = shape[type] ?? [];
  return { type, ...Object.fromEntries(values.map((value, index) => [names[index] ?? `field_${index}`, value])) };
}

function statements(title, records) {
  return records.length ? section(title, h("ol", { class: "statements" }, records.map((one) => h("li", null, statement(one))))) : null;
}

function byValidators(seal) {
  return seal.kind === "cometbft";
}

function sealedBy(seal) {
  if (!byValidators(seal)) return [];
  const power = seal.signers.reduce((sum, signer) => sum + BigInt(signer.power), 0n);
  return [[say("sealed_by"), say("sealed_by_validators", { count: seal.signers.length, power, total: seal.total_power, handovers: seal.handovers })]];
}

/** Where it happened: in a block of the ledger, or at a point of a channel that a block confirmed. */
function place(report) {
  if (!report.channel) return [[say("block"), report.height], [say("time"), moment(report.time_ms)]];
  return [[say("in_channel"), code(report.channel)], [say("point"), report.point],
    [say("confirmed_in"), report.height], [say("time"), moment(report.time_ms)]];
}

function assumptions(report) {
  const texts = [say(byValidators(report.seal) ? "assumes_validators" : "assumes_text")];
  return report.channel ? [...texts, say("assumes_channel")] : texts;
}

function accepted(report, own, shape) {
  const [instructions, events] = [report.instructions, report.events].map((records) => records.map((one) => named(one, shape)));
  relate(instructions, events);
  return [h("div", { class: "verdict accepted" }, h("h2", null, say("accepted_title")), h("p", null, say(own ? "accepted_own" : "accepted_node")), report.channel ? h("p", null, say("accepted_channel")) : null),
    facts([[say("network"), `${report.network_name} · ${report.network}`], [say("transaction"), code(report.transaction)], ...place(report),
      [say("outcome"), report.failure ? h("code", null, report.failure.code) : say("done")], ...sealedBy(report.seal)]),
    statements(say("instructions"), instructions),
    statements(say("events"), events),
    section(say("assumes"), assumptions(report).map((text) => h("p", null, text)), h("p", null, say("names_are_the_nodes")))];
}
