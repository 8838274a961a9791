// Verifies finality receipts, in a browser or in Node.js, with nothing but the receipt and the genesis document.
//
//     import { verifyReceipt } from "./verify.js";
//     const report = await verifyReceipt(receiptBytes, genesisBytes);   // two Uint8Array
//
// It accepts and refuses what `traco verify` does, with the same codes. The format: docs/reference/wire-format.md.

import { parseGenesis } from "./genesis.js";
import { LightInvalid, verifyEvidence } from "./light.js";
import { decode, Extension, Malformed, Reader, require, Timestamp } from "./messagepack.js";
import { SealInvalid, verifyCheckpoint } from "./seal.js";
import { hex, isValid, join, sha256 } from "./signature.js";

export { VerifierUnsupported } from "./signature.js";

export const MAX_RECEIPT_BYTES = 1_048_576;

const MAX_PATH = 64;
const MAX_COUNT = 2n ** 32n - 1n;
const MAX_EXACT = 2n ** 53n - 1n;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The file proves nothing under this genesis. `code` is stable, `reason` says which step failed. */
export class ReceiptInvalid extends Error {
  constructor(code, reason) {
    super(`${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/**
 * What the receipt file proves under the genesis document. Throws ReceiptInvalid, or VerifierUnsupported where this browser
 * cannot decide it.
 *
 * Instructions and events come as {type, values}: the values are in the order of the fields in the reference, bytes in hex,
 * integers beyond 2**53 - 1 as BigInt.
 */
export async function verifyReceipt(receiptBytes, genesisBytes) {
  const genesis = readAs("receipt.genesis_invalid", "the genesis", () => parseGenesis(genesisBytes));
  const network = await digest("traco/genesis/1", genesis.canonical);
  if (receiptBytes.length > MAX_RECEIPT_BYTES) fail("receipt.too_large", `${receiptBytes.length} bytes`);
  const file = malformed("the file", () => readFile(decode(receiptBytes)));
  if (!equal(file.network, network)) fail("receipt.other_network", `it belongs to network ${hex(file.network)}`);
  const transaction = malformed("the transaction", () => readTransaction(file.transaction));
  const outcome = malformed("the outcome", () => readOutcome(decode(file.receipt)));
  const body = malformed("the transaction's body", () => readBody(decode(transaction.body)));
  const identity = await digest("traco/transaction/1", transaction.body);
  if (!equal(body.network, network) || !equal(outcome.identity, identity)) {
    fail("receipt.mismatch", "transaction, outcome and network do not belong together");
  }
  await checkSignatures(transaction.signatures, identity);
  await checkPaths(file, identity, await digest("traco/signatures/1", transaction.encodedSignatures));
  const sealed = await checkSeal(file, network, genesis);
  return report(genesis, network, identity, transaction, body, outcome, file.block, sealed);
}

function readFile(value) {
  const fields = record(value, "traco.receipt/1", 13);
  return {
    network: bytes(fields[0], 32),
    transaction: bytes(fields[1]),
    receipt: bytes(fields[2]),
    leafIndex: integer(fields[3], 0n, MAX_COUNT),
    transactionPath: path(fields[4]),
    receiptPath: path(fields[5]),
    block: readBlock(fields[6]),
    historyIndex: integer(fields[7], 0n, MAX_EXACT),
    historySize: integer(fields[8], 1n, MAX_EXACT),
    historyPath: path(fields[9]),
    historyRoot: bytes(fields[10], 32),
    stateRoot: bytes(fields[11], 32),
    seal: bytes(fields[12]),
  };
}

function readBlock(value) {
  const fields = record(value, 1n, 6);
  const [transactionsRoot, receiptsRoot, stateRoot] = fields.slice(2, 5).map((root) => bytes(root, 32));
  const height = integer(fields[0], 0n, MAX_EXACT);
  const timeMs = integer(fields[1], 0n, MAX_EXACT);
  const leafCount = integer(fields[5], 0n, MAX_COUNT);
  return { height, timeMs, transactionsRoot, receiptsRoot, stateRoot, leafCount };
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
  bytes(fields[1], 0, 32); // the ledger
  integer(fields[2], 0n, MAX_EXACT); // valid until
  bytes(fields[3], 16); // the salt
  return { network: bytes(fields[0], 32), instructions: list(fields[4]) };
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

/** The fields behind the tag of a record. */
function record(value, tag, count) {
  require(Array.isArray(value) && value.length === count + 1 && value[0] === tag, `no record with the tag ${tag}`);
  return value.slice(1);
}

function list(value) {
  require(Array.isArray(value), "an array is missing");
  return value;
}

function bytes(value, least = 0, most = least || Infinity) {
  require(value instanceof Uint8Array && value.length >= least && value.length <= most, "bytes of another length");
  return value;
}

function integer(value, least, most) {
  require(typeof value === "bigint" && value >= least && value <= most, `no integer from ${least} to ${most}`);
  return value;
}

function path(value) {
  require(list(value).length <= MAX_PATH, "a path is too long");
  return value.map((step) => bytes(step, 32));
}

async function checkSignatures(signatures, identity) {
  const message = context("traco/transaction/1", identity);
  for (const { key, value } of signatures) {
    const valid = await isValid(key, message, value);
    if (!valid) fail("receipt.signature", `the signature of ${hex(key)} does not verify`);
  }
}

async function checkPaths(file, identity, signaturesHash) {
  const { block, leafIndex } = file;
  const transactionLeaf = await sha256(LEAF, identity, signaturesHash);
  await included("transaction", transactionLeaf, leafIndex, block.leafCount, file.transactionPath, block.transactionsRoot);
  const outcomeLeaf = await sha256(LEAF, file.receipt);
  await included("outcome", outcomeLeaf, leafIndex, block.leafCount, file.receiptPath, block.receiptsRoot);
  const blockLeaf = await sha256(LEAF, context("traco/block/1", encodeBlock(block)));
  await included("block", blockLeaf, file.historyIndex, file.historySize, file.historyPath, file.historyRoot);
}

/** RFC 9162, 2.1.3.2, which has the trees of RFC 6962. */
async function included(what, leaf, index, size, steps, root) {
  const wrong = (reason) => fail("receipt.path", `the ${what} is not where the path says: ${reason}`);
  if (index >= size) wrong("index outside the tree");
  const inner = bitLength(index ^ (size - 1n));
  if (steps.length !== inner + bitCount(index >> BigInt(inner))) wrong("path has the wrong length");
  let node = leaf;
  for (const [height, sibling] of steps.entries()) {
    const onTheRight = height >= inner || (index >> BigInt(height)) & 1n;
    node = onTheRight ? await sha256(NODE, sibling, node) : await sha256(NODE, node, sibling);
  }
  if (!equal(node, root)) wrong("root differs");
}

async function checkSeal(file, network, genesis) {
  let sealed;
  try {
    sealed = await examineSeal(file.seal, network, genesis);
  } catch (error) {
    if (error instanceof SealInvalid || error instanceof LightInvalid) fail("receipt.seal", error.code);
    throw error;
  }
  const hashed = await digest("traco/app/1", file.stateRoot, file.historyRoot, uint(file.historySize, 8));
  if (!equal(sealed.appHash, hashed)) fail("receipt.seal", "it vouches for another state of the ledger");
  if (sealed.height < file.block.height || sealed.timeMs < file.block.timeMs) {
    fail("receipt.seal", "it is older than the block");
  }
  return sealed;
}

/** What a seal of the kind that the genesis names vouches for, and who made it. */
async function examineSeal(seal, network, { sealKind, sealKey, founders }) {
  if (sealKind === "cometbft") return verifyEvidence(seal, network, founders);
  const checkpoint = await verifyCheckpoint(seal, network, sealKey);
  return { ...checkpoint, signers: [{ key: sealKey, power: 1n }], totalPower: 1n, handovers: 0 };
}

function report(genesis, network, identity, transaction, body, outcome, block, sealed) {
  const sealKey = hex(genesis.sealKey);
  return {
    valid: true,
    network: hex(network),
    network_name: genesis.name,
    transaction: hex(identity),
    outcome: outcome.failure === null ? "success" : "rejected",
    failure: outcome.failure === null ? null : { code: outcome.failure.code, fields: namedFields(outcome.failure.fields) },
    instructions: body.instructions.map(readable),
    events: outcome.events.map(readable),
    signers: transaction.signatures.map((signature) => hex(signature.key)),
    height: Number(block.height),
    time_ms: Number(block.timeMs),
    sealed_height: Number(sealed.height),
    sealed_time_ms: Number(sealed.timeMs),
    seal_key: sealKey,
    seal: {
      kind: genesis.sealKind,
      signers: sealed.signers.map(({ key, power }) => ({ key: hex(key), power: plain(power) })),
      total_power: plain(sealed.totalPower),
      handovers: sealed.handovers,
    },
    assumes: [
      "the genesis document is that of the network you mean (compare its id with one you trust)",
      ...assumptions(genesis.sealKind, sealKey),
    ],
  };
}

function assumptions(sealKind, sealKey) {
  if (sealKind === "checkpoint") return [`the key that seals (${sealKey}) was not stolen or misused`];
  return [
    "at no time since the founding did validators with a third of the voting power or more break the rules together",
    "keys of validators that have left were not stolen or misused",
  ];
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
function plain(value) {
  if (typeof value === "bigint") return value >= -MAX_EXACT && value <= MAX_EXACT ? Number(value) : value;
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [plain(name), plain(each)]));
  if (value instanceof Extension) return { extension: value.type, payload: hex(value.payload) };
  if (value instanceof Timestamp) return { seconds: plain(value.seconds), nanoseconds: plain(value.nanoseconds) };
  return value;
}

/** A block record as it is hashed. It was read from the one form it has, so writing it gives the same bytes. */
function encodeBlock(block) {
  const hash = (value) => join(Uint8Array.of(0xc4, 32), value);
  return join(
    Uint8Array.of(0x97, 1), encodeInteger(block.height), encodeInteger(block.timeMs), hash(block.transactionsRoot),
    hash(block.receiptsRoot), hash(block.stateRoot), encodeInteger(block.leafCount),
  );
}

function encodeInteger(value) {
  if (value < 2n ** 7n) return uint(value, 1);
  if (value < 2n ** 8n) return join(Uint8Array.of(0xcc), uint(value, 1));
  if (value < 2n ** 16n) return join(Uint8Array.of(0xcd), uint(value, 2));
  if (value < 2n ** 32n) return join(Uint8Array.of(0xce), uint(value, 4));
  return join(Uint8Array.of(0xcf), uint(value, 8));
}

function uint(value, size) {
  const written = new Uint8Array(8);
  new DataView(written.buffer).setBigUint64(0, value);
  return written.subarray(8 - size);
}

function context(tag, ...parts) {
  return join(new TextEncoder().encode(`${tag}\0`), ...parts);
}

function digest(tag, ...parts) {
  return sha256(context(tag, ...parts));
}

function bitLength(value) {
  return value === 0n ? 0 : value.toString(2).length;
}

function bitCount(value) {
  return value.toString(2).replaceAll("0", "").length;
}

function equal(left, right) {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function malformed(what, read) {
  return readAs("receipt.malformed", what, read);
}

function readAs(code, what, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) fail(code, `${what}: ${error.message}`);
    throw error;
  }
}

function fail(code, reason) {
  throw new ReceiptInvalid(code, reason);
}
