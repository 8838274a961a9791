// Verifies finality receipts, in a browser or in Node.js, with nothing but the receipt and the genesis document.
//
//     import { verifyReceipt } from "./verify.js";
//     const report = await verifyReceipt(receiptBytes, genesisBytes);   // two Uint8Array
//
// It accepts and refuses what `traco verify` does of a receipt of the root, with the same codes. The format:
// docs/reference/wire-format.md. Receipts of channels too are taken by `channel.js`.

import { parseGenesis } from "./genesis.js";
import { LightInvalid, verifyEvidence } from "./light.js";
import { included, leafHash } from "./merkle.js";
import { decode } from "./messagepack.js";
import { happened, judgeOutcome, plain } from "./outcome.js";
import { bytes, context, digest, equal, fail, integer, malformed, MAX_COUNT, MAX_EXACT, path, readAs, record, uint } from "./reading.js";
import { SealInvalid, verifyCheckpoint } from "./seal.js";
import { hex, join } from "./signature.js";

export { ReceiptInvalid } from "./reading.js";
export { VerifierUnsupported } from "./signature.js";

export const MAX_RECEIPT_BYTES = 1_048_576;

/**
 * What the receipt file proves under the genesis document. Throws ReceiptInvalid, or VerifierUnsupported where this browser
 * cannot decide it.
 *
 * Instructions and events come as {type, values}: the values are in the order of the fields in the reference, bytes in hex,
 * integers beyond 2**53 - 1 as BigInt.
 */
export async function verifyReceipt(receiptBytes, genesisBytes) {
  const proven = await prove(receiptBytes, genesisBytes);
  return { ...placed(proven), ...happened(proven) };
}

/** The same, undigested: the network, its genesis, what happened, the block and its seal. */
export async function prove(receiptBytes, genesisBytes) {
  const genesis = readAs("receipt.genesis_invalid", "the genesis", () => parseGenesis(genesisBytes));
  const network = await digest("traco/genesis/1", genesis.canonical);
  if (receiptBytes.length > MAX_RECEIPT_BYTES) fail("receipt.too_large", `${receiptBytes.length} bytes`);
  const file = malformed("the file", () => readFile(decode(receiptBytes)));
  if (!equal(file.network, network)) fail("receipt.other_network", `it belongs to network ${hex(file.network)}`);
  const judged = await judgeOutcome(file.transaction, file.receipt, network);
  await checkPaths(file, judged);
  const sealed = await checkSeal(file, network, genesis);
  return { ...judged, genesis, network, block: file.block, sealed };
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

async function checkPaths(file, { identity, signaturesHash }) {
  const { block, leafIndex } = file;
  const code = "receipt.path";
  const transactionLeaf = await leafHash(identity, signaturesHash);
  await included(code, "transaction", transactionLeaf, leafIndex, block.leafCount, file.transactionPath, block.transactionsRoot);
  const outcomeLeaf = await leafHash(file.receipt);
  await included(code, "outcome", outcomeLeaf, leafIndex, block.leafCount, file.receiptPath, block.receiptsRoot);
  const blockLeaf = await leafHash(context("traco/block/1", encodeBlock(block)));
  await included(code, "block", blockLeaf, file.historyIndex, file.historySize, file.historyPath, file.historyRoot);
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

/** Where it happened and who sealed that, as a page shows it. */
export function placed({ genesis, network, block, sealed }) {
  const sealKey = hex(genesis.sealKey);
  return {
    valid: true,
    network: hex(network),
    network_name: genesis.name,
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
