// Reads the founding document of a network, and writes the form whose hash is the network's id.
//
// JSON.parse will not do: it rounds integers beyond 2**53, cannot tell 1 from 1.0, and says nothing of a name that stands
// twice in an object, where the last one counts but each must be valid.

import { foundingValidators } from "./light.js";
import { Malformed, require } from "./messagepack.js";
import { fromHex } from "./signature.js";

export const MAX_GENESIS_BYTES = 64 * 1024 * 1024;

const MAX_DEPTH = 900; // about where Python's own limit of recursion lies
const MAX_DIGITS = 4300; // of an integer
const MAX_AMOUNT = 2n ** 63n - 1n;
const MAX_TIME_MS = 2n ** 53n - 1n;
const NUMBER = /(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = [["true", true], ["false", false], ["null", null]];
const HEX_KEY = /^(?:[0-9a-f]{66}|[0-9a-f]{68})$/;
const SEAL_KINDS = ["checkpoint", "cometbft"];
const BYTES = [1_024n, 67_108_864n];
const LIMIT = [1n, 65_536n];

/** The kernel's parameters: least, most, default. */
export const KERNEL_PARAMETERS = {
  window_ms: [60_000n, 86_400_000n, 600_000n],
  max_transaction_bytes: [...BYTES, 65_536n],
  max_instructions: [...LIMIT, 64n],
  max_signatures: [...LIMIT, 32n],
  max_envelope_bytes: [...BYTES, 1_048_576n],
  max_envelope_transactions: [...LIMIT, 4_096n],
  max_block_bytes: [...BYTES, 4_194_304n],
  max_events: [...LIMIT, 1_024n],
  max_depth: [1n, 16n, 4n],
  due_budget: [...LIMIT, 1_000n],
  history_horizon: [0n, 2n ** 53n - 1n, 1_000_000n],
};
const ENVELOPE_OVERHEAD = 512n;

/**
 * The document: `name`, `purpose`, `sealKind`, `sealKey` (bytes, empty where validators seal), `founders` (these validators)
 * and `canonical`, the bytes that are hashed. Throws Malformed.
 */
export function parseGenesis(bytes) {
  require(bytes.length <= MAX_GENESIS_BYTES, "the genesis document is too large");
  const fields = { format: "traco-genesis/1", protocol: 1n, parameters: new Map(), modules: new Map() };
  new JsonReader(decodeText(bytes)).document((name, value) => {
    require(Object.hasOwn(CHECKS, name), `unknown field ${name}`);
    CHECKS[name](value);
    fields[name] = value;
  });
  for (const name of ["name", "purpose", "time_ms", "seal"]) require(name in fields, `${name} is missing`);
  checkNumbers(fields.modules);
  checkNumbers(fields.parameters);
  checkKernelParameters(fields.parameters.get("kernel") ?? new Map());
  const sealed = sealTerms(fields.seal, fields.modules);
  const canonical = new TextEncoder().encode(write(new Map(Object.entries(fields))));
  return { name: fields.name, purpose: fields.purpose, ...sealed, canonical };
}

function sealTerms(seal, modules) {
  const [sealKind, key] = [seal.get("kind"), seal.get("key")];
  if (sealKind === "cometbft") {
    require(key === "", "seal.key is empty where the kind is cometbft: the validators seal");
    return { sealKind, sealKey: new Uint8Array(), founders: foundingValidators(modules) };
  }
  require(HEX_KEY.test(key), "seal.key is not a public key in lower-case hex");
  return { sealKind, sealKey: fromHex(key), founders: [] };
}

const CHECKS = {
  format: (value) => require(value === "traco-genesis/1", "format is traco-genesis/1"),
  name: (value) => {
    const length = typeof value === "string" ? [...value].length : 0;
    require(length >= 1 && length <= 128, "name has 1 to 128 characters");
  },
  purpose: (value) => require(["development", "test", "production"].includes(value), "purpose is none of the three"),
  time_ms: (value) => requireInteger("time_ms", value, 0n, MAX_TIME_MS),
  protocol: (value) => require(typeof value === "bigint", "protocol is an integer"),
  seal: checkSeal,
  parameters: checkSections,
  modules: checkSections,
};

function checkSeal(value) {
  require(value instanceof Map, "seal is an object");
  for (const [name, each] of value.all) {
    require(name === "kind" ? SEAL_KINDS.includes(each) : name === "key" && typeof each === "string", `seal.${name}`);
  }
  require(value.size === 2, "seal has kind and key");
}

function checkSections(value) {
  require(value instanceof Map, "parameters and modules are objects");
  for (const [name, section] of value.all) require(section instanceof Map, `the section ${name} is an object`);
}

function checkNumbers(value) {
  if (value instanceof Map || Array.isArray(value)) {
    for (const item of value.values()) checkNumbers(item);
    return;
  }
  require(typeof value !== "number", "numbers are integers here");
  if (typeof value === "bigint") require(value >= -MAX_AMOUNT && value <= MAX_AMOUNT, "numbers have 64 bits at most");
}

function checkKernelParameters(given) {
  const values = {};
  for (const [name, [, , preset]] of Object.entries(KERNEL_PARAMETERS)) values[name] = preset;
  for (const [name, value] of given) {
    require(Object.hasOwn(KERNEL_PARAMETERS, name), `KernelParameters has no field ${name}`);
    const [least, most] = KERNEL_PARAMETERS[name];
    requireInteger(name, value, least, most);
    values[name] = value;
  }
  const fits = values.max_transaction_bytes + ENVELOPE_OVERHEAD <= values.max_envelope_bytes;
  require(fits, "max_envelope_bytes leaves no room for a transaction of max_transaction_bytes");
  require(values.max_envelope_bytes <= values.max_block_bytes, "max_block_bytes leaves no room for an envelope");
}

function requireInteger(name, value, least, most) {
  require(typeof value === "bigint" && value >= least && value <= most, `${name} is not from ${least} to ${most}`);
}

function decodeText(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new Malformed("the genesis document is not UTF-8");
    throw error;
  }
}

/** The canonical form: names in the order of their code points, no space, integers in decimal. */
function write(value) {
  if (value instanceof Map) {
    const names = [...value.keys()].sort(byCodePoint);
    return `{${names.map((name) => `${JSON.stringify(name)}:${write(value.get(name))}`).join()}}`;
  }
  if (Array.isArray(value)) return `[${value.map(write).join()}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function byCodePoint(left, right) {
  const [a, b] = [[...left], [...right]];
  for (let index = 0; index < a.length && index < b.length; index += 1) {
    if (a[index] !== b[index]) return a[index].codePointAt(0) - b[index].codePointAt(0);
  }
  return a.length - b.length;
}

/** An object of the document: the last value of each name, and all pairs as they stand, in `all`. */
class JsonObject extends Map {
  all = [];

  add(name, value) {
    this.all.push([name, value]);
    this.set(name, value);
  }
}

/** A strict reader of JSON (RFC 8259): objects are JsonObject, integers BigInt, other numbers number. */
class JsonReader {
  constructor(text) {
    this.text = text;
    this.position = 0;
  }

  /** Reads the one object that the text is, and hands over its names and values, also those that stand twice. */
  document(take) {
    this.#match(SPACE);
    const value = this.#value(0);
    this.#match(SPACE);
    require(this.position === this.text.length, "characters follow the document");
    require(value instanceof Map, "the document is no object");
    for (const [name, each] of value.all) take(name, each);
  }

  #value(depth) {
    require(depth <= MAX_DEPTH, "nested too deeply");
    const next = this.text[this.position];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.position)) {
        this.position += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth) {
    const object = new JsonObject();
    this.#items("}", () => {
      require(this.text[this.position] === '"', "names are strings");
      const name = this.#string();
      this.#match(SPACE);
      require(this.#skip(":"), "a colon is missing");
      this.#match(SPACE);
      object.add(name, this.#value(depth + 1));
    });
    return object;
  }

  #array(depth) {
    const items = [];
    this.#items("]", () => items.push(this.#value(depth + 1)));
    return items;
  }

  #items(end, read) {
    this.position += 1;
    this.#match(SPACE);
    if (this.#skip(end)) return;
    for (;;) {
      read();
      this.#match(SPACE);
      if (this.#skip(end)) return;
      require(this.#skip(","), "a comma is missing");
      this.#match(SPACE);
    }
  }

  #string() {
    this.position += 1;
    let read = "";
    for (;;) {
      read += this.#match(PLAIN);
      if (this.#skip('"')) return read;
      require(this.#skip("\\"), "a string holds a control character, or does not end");
      read += this.#escaped();
    }
  }

  #escaped() {
    const mark = this.text[this.position];
    this.position += 1;
    if (mark !== "u") {
      require(mark !== undefined && Object.hasOwn(ESCAPES, mark), "no such escape");
      return ESCAPES[mark];
    }
    const unit = this.#unit();
    require(unit < 0xdc00 || unit > 0xdfff, "half of a surrogate pair");
    if (unit < 0xd800 || unit > 0xdbff) return String.fromCharCode(unit);
    require(this.#skip("\\") && this.#skip("u"), "half of a surrogate pair");
    const second = this.#unit();
    require(second >= 0xdc00 && second <= 0xdfff, "half of a surrogate pair");
    return String.fromCharCode(unit, second);
  }

  #unit() {
    const digits = this.text.slice(this.position, this.position + 4);
    require(/^[0-9a-fA-F]{4}$/.test(digits), "four hexadecimal digits are missing");
    this.position += 4;
    return Number.parseInt(digits, 16);
  }

  #number() {
    NUMBER.lastIndex = this.position;
    const match = NUMBER.exec(this.text);
    require(match !== null, "a value is missing");
    this.position = NUMBER.lastIndex;
    const [all, whole, rest] = match;
    if (rest === "") {
      require(whole.length <= MAX_DIGITS, "an integer is out of range");
      return BigInt(whole);
    }
    const value = Number(all);
    require(Number.isFinite(value), "a number is out of range");
    return value;
  }

  #match(pattern) {
    pattern.lastIndex = this.position;
    const [found] = pattern.exec(this.text);
    this.position += found.length;
    return found;
  }

  #skip(character) {
    if (this.text[this.position] !== character) return false;
    this.position += 1;
    return true;
  }
}
