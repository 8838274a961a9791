// Verifies receipts of confidential channels, in a browser or in Node.js, with nothing but the file and the genesis document.
//
//     import { verifyAny } from "./channel.js";
//     const report = await verifyAny(fileBytes, genesisBytes);   // a receipt of the root, or of a channel
//
// It accepts and refuses what `traco verify` does, with the same codes, by the same steps: the outcome is below the outcomes
// root of a point; each later point contains the digest of the one before; the root says that the last one was confirmed.

import { included, leafHash } from "./merkle.js";
import { Reader, require } from "./messagepack.js";
import { happened, judgeOutcome } from "./outcome.js";
import { bytes, digest, equal, fail, fields, integer, list, MAX_COUNT, MAX_EXACT, readAs, uint } from "./reading.js";
import { hex } from "./signature.js";
import { MAX_RECEIPT_BYTES, placed, prove, verifyReceipt } from "./verify.js";

export const MAX_BYTES = 2 * MAX_RECEIPT_BYTES;

const TAG = "traco.channel-receipt/1";
const BEGINNING = Uint8Array.from([0x96, 0xa0 + TAG.length, ...new TextEncoder().encode(TAG)]);
const MAX_POINTS = 1_024;
const CONFIRMED = "channel.confirmed/1";
const FAULTY = "no more members of the channel are faulty than its terms on the root say";

/** Whether a file is meant to be of a channel: by how it begins. */
export function isChannelReceipt(raw) {
  return equal(raw.subarray(0, BEGINNING.length), BEGINNING);
}

/** As `verifyReceipt`, for files of both kinds; what happened in a channel comes with `channel` and `point`. */
export async function verifyAny(raw, genesisBytes) {
  return isChannelReceipt(raw) ? verifyChannelReceipt(raw, genesisBytes) : verifyReceipt(raw, genesisBytes);
}

/** What the file of a channel proves: what became of a transaction at a point of it, and the root's word on that. */
export async function verifyChannelReceipt(raw, genesisBytes) {
  if (raw.length > MAX_BYTES) fail("channel_receipt.malformed", `${raw.length} bytes`);
  const file = readAs("channel_receipt.malformed", "the file", () => readFile(raw));
  const root = await prove(file.confirmation, genesisBytes);
  const judged = await judgeOutcome(file.transaction, file.receipt, root.network);
  const first = file.points[0];
  if (!equal(judged.body.ledger, first.channel)) {
    fail("channel_receipt.mismatch", "the transaction is of another ledger than the point");
  }
  await checkOutcome(file, judged, first.outcomes);
  const last = await chained(file.points);
  requireConfirmed(root.outcome, file.points.at(-1), last);
  const said = placed(root);
  return { ...said, ...happened(judged), channel: hex(first.channel), point: Number(first.ordinal), assumes: [...said.assumes, FAULTY] };
}

function readFile(raw) {
  const reader = new Reader(raw);
  require(reader.arrayLength() === 6 && reader.value(1) === TAG, `no record with the tag ${TAG}`);
  const transaction = bytes(reader.value(1));
  const receipt = bytes(reader.value(1));
  const proof = readProof(reader.value(1));
  const points = readPoints(reader, raw);
  const confirmation = bytes(reader.value(1));
  reader.end();
  return { transaction, receipt, proof, points, confirmation };
}

function readProof(value) {
  const [salt, index, count, tree, path] = fields(value, 5);
  return {
    salt: bytes(salt, 32),
    index: integer(index, 0n, MAX_COUNT),
    count: integer(count, 0n, MAX_COUNT),
    tree: bytes(tree, 32),
    path: list(path).map((step) => bytes(step, 32)),
  };
}

/** The points, each with its bytes as they stand, because they are hashed. */
function readPoints(reader, raw) {
  const count = reader.arrayLength();
  require(count >= 1 && count <= MAX_POINTS, "too few or too many points");
  const points = [];
  while (points.length < count) {
    const start = reader.position;
    const point = readPoint(reader.value(2));
    points.push({ ...point, encoded: raw.subarray(start, reader.position) });
  }
  return points;
}

function readPoint(value) {
  const [channel, generation, ordinal, previous, chain, state, outcomes, legs] = fields(value, 8);
  integer(generation, 0n, MAX_COUNT);
  for (const hash of [chain, state]) bytes(hash, 32);
  for (const leg of list(legs)) {
    const [attempt, held] = fields(leg, 2);
    bytes(attempt, 32);
    require(typeof held === "boolean", "a leg is held or not");
  }
  return {
    channel: bytes(channel, 32),
    ordinal: integer(ordinal, 1n, MAX_EXACT),
    previous: bytes(previous, 32),
    outcomes: bytes(outcomes, 32),
  };
}

/** The number of outcomes is part of their root, so that the path proves for one index of one number only. */
async function checkOutcome({ proof, receipt }, { identity, signaturesHash }, outcomes) {
  const counted = await digest("traco/outcomes/1", uint(proof.count, 8), proof.tree);
  if (!equal(counted, outcomes)) fail("channel_receipt.path", "the outcome is not where the path says: outcomes root differs");
  const salted = await digest("traco/outcome/1", proof.salt, identity, signaturesHash, receipt);
  await included("channel_receipt.path", "outcome", await leafHash(salted), proof.index, proof.count, proof.path, proof.tree);
}

/** The digest of the last point, each of which contains the digest of the one before. */
async function chained(points) {
  let before = points[0];
  let last = await digest("traco/point/1", before.encoded);
  for (const point of points.slice(1)) {
    const follows = equal(point.channel, before.channel) && point.ordinal === before.ordinal + 1n;
    if (!follows || !equal(point.previous, last)) {
      fail("channel_receipt.chain", `point ${point.ordinal} does not follow point ${before.ordinal}`);
    }
    last = await digest("traco/point/1", point.encoded);
    before = point;
  }
  return last;
}

function requireConfirmed({ failure, events }, { channel, ordinal }, digested) {
  const says = ([tag, ofChannel, ofOrdinal, ofDigest]) => tag === CONFIRMED
    && isBytes(ofChannel, channel) && ofOrdinal === ordinal && isBytes(ofDigest, digested);
  if (failure !== null || !events.some((event) => Array.isArray(event) && event.length === 4 && says(event))) {
    fail("channel_receipt.not_confirmed", `the root does not say that point ${ordinal} was confirmed with this digest`);
  }
}

function isBytes(value, wanted) {
  return value instanceof Uint8Array && equal(value, wanted);
}
