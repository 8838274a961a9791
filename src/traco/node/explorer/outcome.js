// A signed transaction with what became of it: read, judged by its signatures, and told in plain values.

import { decode, Extension, Reader, require, Timestamp } from "./messagepack.js";
import { bytes, context, digest, equal, fail, integer, list, malformed, MAX_EXACT, record } from "./reading.js";
import { hex, isValid } from "./signature.js";

/**
 * A signed transaction of a network and an outcome that names it, whose signatures hold; nothing about where they stand.
 */
export async function judgeOutcome(transactionBytes, outcomeBytes, network) {
  const transaction = malformed("the transaction", () => readTransaction(transactionBytes));
  const outcome = malformed("the outcome", () => readOutcome(decode(outcomeBytes)));
  const body = malformed("the transaction's body", () => readBody(decode(transaction.body)));
  const identity = await digest("traco/transaction/1", transaction.body);
  if (!equal(body.network, network) || !equal(outcome.identity, identity)) {
    fail("receipt.mismatch", "transaction, outcome and network do not belong together");
  }
  await checkSignatures(transaction.signatures, identity);
  const signaturesHash = await digest("traco/signatures/1", transaction.encodedSignatures);
  return { identity, signaturesHash, body, outcome, signers: transaction.signatures.map((signature) => signature.key) };
}

/** The bytes of the body and of the signatures as they stand, because they are hashed, and the signatures. */
function readTransaction(raw) {
  const reader = new Reader(raw);
  require(reader.arrayLength() === 2, "a transaction is body and signatures");
  const start = reader.position;
  reader.value(1);
  const middle = reader.position;
  const signatures = list(reader.value(1)).map((each) => {
    require(Array.isArray(each) && each.length === 2, "a signature is key and value");
    return { key: bytes(each[0], 33, 34), value: bytes(each[1], 65) };
  });
  reader.end();
  return { body: raw.subarray(start, middle), encodedSignatures: raw.subarray(middle), signatures };
}

function readBody(value) {
  const fields = record(value, 1n, 5);
  integer(fields[2], 0n, MAX_EXACT); // valid until
  bytes(fields[3], 16); // the salt
  return { network: bytes(fields[0], 32), ledger: bytes(fields[1], 0, 32), instructions: list(fields[4]) };
}

function readOutcome(value) {
  const fields = record(value, 1n, 3);
  return { identity: bytes(fields[0], 32), failure: readFailure(fields[1]), events: list(fields[2]) };
}

function readFailure(value) {
  if (value === null) return null;
  require(Array.isArray(value) && value.length === 2 && typeof value[0] === "string", "a failure is code and fields");
  for (const field of list(value[1])) {
    require(Array.isArray(field) && field.length === 2 && typeof field[0] === "string", "a field is name and value");
  }
  return { code: value[0], fields: value[1] };
}

async function checkSignatures(signatures, identity) {
  const message = context("traco/transaction/1", identity);
  for (const { key, value } of signatures) {
    const valid = await isValid(key, message, value);
    if (!valid) fail("receipt.signature", `the signature of ${hex(key)} does not verify`);
  }
}

/** What happened, as a page shows it. */
export function happened({ identity, body, outcome, signers }) {
  const { failure } = outcome;
  return {
    transaction: hex(identity),
    outcome: failure === null ? "success" : "rejected",
    failure: failure === null ? null : { code: failure.code, fields: namedFields(failure.fields) },
    instructions: body.instructions.map(readable),
    events: outcome.events.map(readable),
    signers: signers.map(hex),
  };
}

function namedFields(fields) {
  return Object.fromEntries(fields.map(([name, value]) => [name, plain(value)]));
}

function readable(item) {
  if (Array.isArray(item) && typeof item[0] === "string" && item[0]) {
    return { type: item[0], values: item.slice(1).map(plain) };
  }
  return { type: "unknown", values: Array.isArray(item) ? item.map(plain) : [plain(item)] };
}

/** A value as a page shows it. */
export function plain(value) {
  if (typeof value === "bigint") return value >= -MAX_EXACT && value <= MAX_EXACT ? Number(value) : value;
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [plain(name), plain(each)]));
  if (value instanceof Extension) return { extension: value.type, payload: hex(value.payload) };
  if (value instanceof Timestamp) return { seconds: plain(value.seconds), nanoseconds: plain(value.nanoseconds) };
  return value;
}
