// Values as people read them: amounts with decimals, times, ids as links with names, instructions and events as sentences.

import { h } from "./dom.js";
import { find } from "./node.js";
import { field, language, say, sentence, word } from "./words.js";

const known = new Map();
const UNIT = Symbol("the instrument of a record that has none of its own");
const ENCUMBRANCES = ["hold", "pledge", "attachment"];
const MOMENT = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  timeZoneName: "short" };

/** Forget what was asked: names and units may be others for another reader. */
export function forget() {
  known.clear();
}

function once(kind, id, ask) {
  const key = `${kind}/${id}`;
  if (!known.has(key)) known.set(key, ask().catch(() => null));
  return known.get(key);
}

export const partyOf = (id) => once("party", id, () => find("party.get", { party: id }));
export const instrumentOf = (id) => once("instrument", id, () => find("holding.instrument", { instrument: id }));
export const accountOf = (id) => once("account", id, () => find("holding.account", { account: id }));

/** An id shortened for the eye. */
export function short(id) {
  return id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}

/** The code of an instrument; that of a receivable is made from its document's id and cut. */
function brief(text) {
  return text.length > 20 ? `${text.slice(0, 12)}…${text.slice(-4)}` : text;
}

/** An amount of smallest units with its decimals, exact: whole numbers of any length. */
export function decimal(amount, decimals) {
  const units = BigInt(amount);
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, " ");
  const fraction = decimals ? `.${digits.slice(-decimals)}` : "";
  return `${units < 0n ? "−" : ""}${whole}${fraction}`;
}

/** A moment in the reader's time zone; the title has it in UTC. */
export function moment(ms) {
  const date = new Date(Number(ms));
  const text = date.toLocaleString(language() === "zh" ? "zh-CN" : "en-GB", MOMENT);
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

/** A long value in a fixed-width face, with a button that copies it. */
export function code(text) {
  const copied = async (event) => {
    await navigator.clipboard.writeText(text);
    event.target.textContent = say("copied");
  };
  return h("span", { class: "code" }, h("code", null, text),
    h("button", { type: "button", class: "copy", onclick: copied, "aria-label": `${say("copy")} ${short(text)}` }, say("copy")));
}

/** A link to a page of the explorer. */
export function link(kind, id, text) {
  return h("a", { href: `#/${kind}/${id}`, title: id }, text ?? h("code", null, short(id)));
}

/** A status as a coloured word. */
export function badge(value) {
  return h("span", { class: `badge ${value}` }, word(value));
}

/** A link whose text becomes the name when that is known. */
function named(kind, id, naming) {
  const anchor = link(kind, id);
  naming.then((name) => { if (name) anchor.replaceChildren(name); });
  return anchor;
}

export function party(id) {
  return named("party", id, partyOf(id).then((view) => view?.party.name));
}

export function instrument(id) {
  return named("instrument", id, instrumentOf(id).then((record) => record && brief(record.code)));
}

export function account(id) {
  const naming = accountOf(id).then(async (record) => {
    const owner = record && (await partyOf(record.owner));
    return owner?.party.name ? `${owner.party.name} · ${short(id).slice(0, 8)}` : null;
  });
  return named("account", id, naming);
}

/** An amount of an instrument (its id, or a promise of it): first in smallest units, then with decimals and the code. */
export function money(amount, instrumentId) {
  const shown = h("span", { class: "money" }, `${amount} `, h("small", null, say("smallest_units")));
  Promise.resolve(instrumentId).then((id) => (id ? instrumentOf(id) : null)).then((record) => {
    if (record) shown.replaceChildren(`${decimal(amount, record.decimals)} `, h("small", { title: record.code }, brief(record.code)));
  });
  return shown;
}

/** As `money`, without the code: for columns that are all of one instrument. */
export function digits(amount, instrumentId) {
  const shown = h("span", { class: "money" }, String(amount));
  instrumentOf(instrumentId).then((record) => {
    if (record) shown.replaceChildren(decimal(amount, record.decimals));
  });
  return shown;
}

/** The instructions and events of one transaction: what names a hold, pledge or attachment only has the instrument of what names it too. */
export function relate(...lists) {
  const records = lists.flat();
  const units = new Map();
  const ids = (record) => ENCUMBRANCES.map((name) => record[name]).filter(Boolean);
  for (const record of records.filter((one) => one.instrument)) for (const id of ids(record)) units.set(id, record.instrument);
  for (const record of records) record[UNIT] = units.get(ids(record)[0]);
}

/** The instrument that the amounts of an instruction or event are of, or a promise of it: its own, or that of its financing or document. */
function unitOf(record) {
  if (record.instrument ?? record.cash) return record.instrument ?? record.cash;
  if (record.financing) return once("unit", record.financing, () => find("financing.get", { financing: record.financing })).then((view) => view?.record.cash);
  if (record.document) return once("unit", record.document, () => find("financing.receivable", { document: record.document })).then((view) => view?.record.cash);
  return record[UNIT] ?? null;
}

/** Bytes in hex as text where they are text, else as hex. */
export function reference(hex) {
  if (!hex) return null;
  const raw = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(raw);
    // control characters would not be seen
    return /^[^\p{C}]+$/u.test(text) ? text : h("code", { title: hex }, short(hex));
  } catch {
    return h("code", { title: hex }, short(hex));
  }
}

const AMOUNTS = new Set(["amount", "face", "financed", "found", "left", "made_good", "price", "returned", "total", "unpaid"]);
const KINDS = {
  account: account, cash_account: account, receivable_account: account, payout: account, source: account,
  authority: party, debtor: party, executor: party, holder: party, issuer: party, lender: party, member: party, owner: party,
  party: party, pledgee: party, registrant: party, requestor: party, seller: party, servicer: party, sponsor: party, subject: party,
  instrument: instrument, cash: instrument,
  batch: (id) => link("batch", id), document: (id) => link("document", id), financing: (id) => link("financing", id),
  duplicate_of: (id) => link("document", id), amends: (id) => link("document", id), note: (id) => link("document", id),
  successor: (id) => link("document", id),
};

/** A field's value. `record` is where it stands; its tag and other fields say what the value means. */
export function value(name, content, record) {
  if (content === null || content === undefined || content === "") return "–";
  if (AMOUNTS.has(name) && typeof content !== "object") return money(content, unitOf(record));
  if (name.endsWith("_ms") && Number(content) >= 1e12) return moment(content);
  if (name === "reference") return reference(content);
  if (typeof content === "boolean") return say(content ? "yes" : "no");
  if (typeof content === "string" && /^[0-9a-f]{32}$/.test(content)) return identity(name, content, record);
  if (typeof content === "string" && /^[0-9a-f]{64,}$/.test(content)) return h("code", { title: content }, short(content));
  if (Array.isArray(content)) return content.length ? h("ul", { class: "plain" }, content.map((item) => h("li", null, value(name, item, record)))) : "–";
  if (typeof content === "object") return fields(content, record);
  return typeof content === "string" ? word(content) : String(content);
}

function identity(name, id, record) {
  const tag = String(record.type ?? "");
  if (name === "sender" || name === "receiver") return tag.startsWith("holding.") ? account(id) : party(id);
  if (name === "parent") return tag.startsWith("party.") ? party(id) : account(id);
  if (["parties", "settlers", "operators"].includes(name)) return party(id);
  return KINDS[name] ? KINDS[name](id) : h("code", { title: id }, short(id));
}

/** All fields of a record in a small table. */
export function fields(record, around = record) {
  const inner = { type: around.type, ...record };
  return h("dl", { class: "fields" }, Object.entries(record).filter(([name]) => name !== "type").map(([name, content]) =>
    h("div", null, h("dt", null, field(name)), h("dd", null, value(name, content, inner)))));
}

/** An instruction or event as a sentence, with its fields to unfold. */
export function statement(record) {
  const template = sentence(record.type);
  const shown = template === null ? [h("code", null, record.type)] : template.split(/\{(\w+)\}/).map((part, index) =>
    index % 2 ? h("b", null, value(part, record[part], record)) : part);
  return h("details", { class: "statement" }, h("summary", null, shown), h("p", null, h("code", null, record.type)), fields(record));
}
