// Reads and checks the seal of a network that validators seal: evidence of what they signed, judged by the founding set.
//
// The rules and their order are those of `kernel/light` in Python; the format: docs/reference/wire-format.md.

import { isCofactored } from "./cofactored.js";
import { decode, Malformed, require } from "./messagepack.js";
import { hex, isSoundKey, isValid, join, sha256 } from "./signature.js";

const MAX_EVIDENCE_BYTES = 786_432;
const MAX_HANDOVERS = 1_024;
const MAX_VALIDATORS = 128;
const MAX_EXACT = 2n ** 53n - 1n;
const MAX_SECONDS = 253_402_300_799n;
const BILLION = 1_000_000_000n;
const BLOCK_PROTOCOL = 11n;
const PRECOMMIT = 2n;
const ED25519 = 1;

/** CometBFT's own limit on the power of a set. */
export const MAX_TOTAL_POWER = (2n ** 63n - 1n) / 8n;

/** The evidence is not believed; `code` says why. */
export class LightInvalid extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** The validators that the modules of a genesis name: `[{key, power}]`, in no order. Throws Malformed. */
export function foundingValidators(modules) {
  const nodes = modules.get("network")?.get("nodes") ?? null;
  require(Array.isArray(nodes) && nodes.every((node) => node instanceof Map), "modules.network.nodes is not a list of objects");
  const found = nodes.filter((node) => node.get("role") === "validator").map(foundingValidator);
  require(found.length >= 1 && found.length <= MAX_VALIDATORS, `modules.network.nodes names ${found.length} validators`);
  require(new Set(found.map(({ key }) => hex(key))).size === found.length, "modules.network.nodes names a consensus key twice");
  require(totalPower(found) <= MAX_TOTAL_POWER, "modules.network.nodes gives too much power");
  return found;
}

function foundingValidator(node) {
  const [key, power] = [node.get("consensus"), node.get("power")];
  require(typeof key === "string" && /^01[0-9a-f]{64}$/.test(key) && key.length === 66, "consensus is not an ed25519 key");
  require(typeof power === "bigint" && power >= 1n && power <= MAX_TOTAL_POWER, "power is out of range");
  return { key: Uint8Array.from(key.match(/../g), (pair) => Number.parseInt(pair, 16)), power };
}

/**
 * What the evidence proves about the network that `founders` founded: height, time in ms (BigInt), app hash, who signed the
 * last header, the power of all then, and the number of handovers.
 */
export async function verifyEvidence(raw, network, founders) {
  need(raw.length <= MAX_EVIDENCE_BYTES, "light.too_large");
  const { handovers, last } = read(raw);
  const chain = `traco-${hex(network).slice(0, 40)}`;
  let validators = await inOrder(founders);
  let before = { height: 0n, time: -1n };
  for (const { signed, next } of handovers) {
    await verifySigned(signed, validators, chain, before);
    const header = signed.header;
    need(!equal(header.nextValidatorsHash, header.validatorsHash), "light.handover");
    await checkValidators(next, header.nextValidatorsHash, "light.next_validators");
    validators = next;
    before = header;
  }
  const signers = await verifySigned(last, validators, chain, before);
  const { height, time, appHash } = last.header;
  need(appHash.length === 32, "light.app_hash");
  const total = totalPower(validators);
  return { height: height - 1n, timeMs: time / 1_000_000n, appHash, signers, totalPower: total, handovers: handovers.length };
}

/** Who signed: every vote there is must be for the block and validly signed, with more than two thirds of the power. */
async function verifySigned({ header, commit }, validators, chain, before) {
  need(header.height > before.height, "light.height");
  need(header.time > before.time, "light.time");
  checkHeader(header, chain);
  checkBlockId(commit.block);
  need(commit.height === header.height, "light.height");
  need(equal(commit.block.hash, await headerHash(header)), "light.header");
  const addresses = commit.votes.filter((vote) => vote !== null).map((vote) => hex(vote.address));
  need(new Set(addresses).size === addresses.length, "light.duplicate");
  await checkValidators(validators, header.validatorsHash, "light.validators");
  need(commit.votes.length === validators.length, "light.votes");
  const signers = [];
  for (const [place, vote] of commit.votes.entries()) {
    if (vote !== null) signers.push(await verifyVote(vote, validators[place], commit, chain));
  }
  need(totalPower(signers) > (totalPower(validators) * 2n) / 3n, "light.power");
  return signers;
}

async function verifyVote(vote, validator, commit, chain) {
  need(equal(vote.address, await address(validator.key)), "light.signer");
  need(vote.forBlock, "light.vote");
  need(await isCounted(validator.key, signBytes(chain, commit, vote), vote.signature), "light.signature");
  return validator;
}

/** Whether the engine accepts the signature, and nobody but the holder of the key could make it. */
async function isCounted(key, message, signature) {
  if (await isValid(key, message, join(Uint8Array.of(ED25519), signature))) return true; // much faster
  const point = key.subarray(1);
  return isSoundKey(point) && isCofactored(point, message, signature);
}

function checkHeader(header, chain) {
  need(header.chain === chain, "light.chain");
  need(header.blockProtocol === BLOCK_PROTOCOL, "light.protocol");
  const { lastCommitHash, dataHash, consensusHash, lastResultsHash, evidenceHash } = header;
  for (const each of [lastCommitHash, dataHash, consensusHash, lastResultsHash, evidenceHash]) checkHash(each);
  checkBlockId(header.lastBlock);
}

function checkBlockId(block) {
  checkHash(block.hash);
  checkHash(block.partsHash);
}

function checkHash(value) {
  need(value.length === 0 || value.length === 32, "light.field");
}

async function checkValidators(validators, expected, code) {
  const ordered = await inOrder(validators);
  need(ordered.every((each, index) => each === validators[index]), "light.order");
  need(validators.every(({ key }) => key[0] === ED25519 && isSoundKey(key.subarray(1))), "light.order");
  need(new Set(validators.map(({ key }) => hex(key))).size === validators.length, "light.order");
  need(totalPower(validators) <= MAX_TOTAL_POWER, "light.order");
  need(equal(await rootOf(validators.map(validatorLeaf)), expected), code);
}

/** By power, the greatest first, then by address. */
async function inOrder(validators) {
  const named = await Promise.all(validators.map(async (each) => ({ each, name: hex(await address(each.key)) })));
  named.sort((a, b) => (a.each.power !== b.each.power ? (a.each.power > b.each.power ? -1 : 1) : compare(a.name, b.name)));
  return named.map(({ each }) => each);
}

function compare(left, right) {
  return left < right ? -1 : Number(left > right);
}

function totalPower(validators) {
  return validators.reduce((sum, { power }) => sum + power, 0n);
}

async function address(key) {
  return (await sha256(key.subarray(1))).subarray(0, 20);
}

// Hashes and signed bytes, as CometBFT v0.39 computes them

function headerHash(header) {
  return rootOf([
    join(integer(1, header.blockProtocol), integer(2, header.appProtocol)), octets(1, text(header.chain)),
    integer(1, header.height), moment(header.time), blockId(header.lastBlock), octets(1, header.lastCommitHash),
    octets(1, header.dataHash), octets(1, header.validatorsHash), octets(1, header.nextValidatorsHash),
    octets(1, header.consensusHash), octets(1, header.appHash), octets(1, header.lastResultsHash),
    octets(1, header.evidenceHash), octets(1, header.proposer),
  ]);
}

function signBytes(chain, commit, vote) {
  const signed = join(
    integer(1, PRECOMMIT), fixed64(2, commit.height), fixed64(3, commit.round), message(4, blockId(commit.block)),
    message(5, moment(vote.time)), octets(6, text(chain)),
  );
  return join(varint(BigInt(signed.length)), signed);
}

function moment(time) {
  return join(integer(1, time / BILLION), integer(2, time % BILLION));
}

function blockId({ hash, partCount, partsHash }) {
  return join(octets(1, hash), message(2, join(integer(1, partCount), octets(2, partsHash))));
}

function validatorLeaf({ key, power }) {
  return join(message(1, message(1, key.subarray(1))), integer(2, power));
}

/** The root of a tree of RFC 6962 over these leaves. */
async function rootOf(leaves) {
  let level = await Promise.all(leaves.map((leaf) => sha256(Uint8Array.of(0), leaf)));
  while (level.length > 1) {
    const pairs = [];
    for (let index = 0; index < level.length; index += 2) pairs.push(level.slice(index, index + 2));
    level = await Promise.all(pairs.map(([left, right]) => (right ? sha256(Uint8Array.of(1), left, right) : left)));
  }
  return level[0];
}

// Protobuf: fields that are empty or zero are left out, but for messages

function varint(value) {
  const written = [];
  for (; value > 127n; value >>= 7n) written.push(Number(value & 127n) | 128);
  return Uint8Array.from([...written, Number(value)]);
}

function integer(number, value) {
  return value === 0n ? new Uint8Array() : join(Uint8Array.of(number << 3), varint(value));
}

function fixed64(number, value) {
  if (value === 0n) return new Uint8Array();
  const written = new Uint8Array(9);
  written[0] = (number << 3) | 1;
  new DataView(written.buffer).setBigUint64(1, value, true);
  return written;
}

function octets(number, value) {
  return value.length === 0 ? new Uint8Array() : message(number, value);
}

function message(number, value) {
  return join(Uint8Array.of((number << 3) | 2), varint(BigInt(value.length)), value);
}

function text(value) {
  return new TextEncoder().encode(value);
}

// Reading

function read(raw) {
  try {
    const [tag, handovers, last] = record(decode(raw), 3);
    require(tag === "traco.evidence/1" && Array.isArray(handovers) && handovers.length <= MAX_HANDOVERS, "no evidence");
    return { handovers: handovers.map(readHandover), last: readSigned(last) };
  } catch (error) {
    if (error instanceof Malformed) throw new LightInvalid("light.malformed");
    throw error;
  }
}

function readHandover(value) {
  const [signed, next] = record(value, 2);
  require(Array.isArray(next) && next.length >= 1 && next.length <= MAX_VALIDATORS, "a set has 1 to 128 validators");
  return { signed: readSigned(signed), next: next.map(readValidator) };
}

function readValidator(value) {
  const [key, power] = record(value, 2);
  return { key: bytes(key, 33, 33), power: number(power, 1n, MAX_TOTAL_POWER) };
}

function readSigned(value) {
  const [header, commit] = record(value, 2);
  return { header: readHeader(header), commit: readCommit(commit) };
}

function readHeader(value) {
  const fields = record(value, 15);
  const [lastCommitHash, dataHash] = fields.slice(6, 8).map((each) => bytes(each, 0, 32));
  const [validatorsHash, nextValidatorsHash] = fields.slice(8, 10).map((each) => bytes(each, 32, 32));
  const [lastResultsHash, evidenceHash] = fields.slice(12, 14).map((each) => bytes(each, 0, 32));
  require(typeof fields[2] === "string" && fields[2] !== "" && [...fields[2]].length <= 50, "a chain has a name");
  return {
    blockProtocol: number(fields[0], 0n, MAX_EXACT), appProtocol: number(fields[1], 0n, MAX_EXACT), chain: fields[2],
    height: number(fields[3], 1n, MAX_EXACT), time: readMoment(fields[4]), lastBlock: readBlockId(fields[5]), lastCommitHash,
    dataHash, validatorsHash, nextValidatorsHash, consensusHash: bytes(fields[10], 0, 32), appHash: bytes(fields[11], 0, 64),
    lastResultsHash, evidenceHash, proposer: bytes(fields[14], 20, 20),
  };
}

function readCommit(value) {
  const [height, round, block, votes] = record(value, 4);
  require(Array.isArray(votes) && votes.length <= MAX_VALIDATORS, "a commit has a vote or null for each validator");
  return {
    height: number(height, 1n, MAX_EXACT), round: number(round, 0n, 2n ** 31n - 1n), block: readBlockId(block),
    votes: votes.map((vote) => (vote === null ? null : readVote(vote))),
  };
}

function readVote(value) {
  const [forBlock, voter, time, signature] = record(value, 4);
  require(typeof forBlock === "boolean", "a vote is for the block or not");
  return { forBlock, address: bytes(voter, 20, 20), time: readMoment(time), signature: bytes(signature, 64, 64) };
}

/** Nanoseconds since 1970. */
function readMoment(value) {
  const [seconds, nanos] = record(value, 2);
  return number(seconds, 0n, MAX_SECONDS) * BILLION + number(nanos, 0n, BILLION - 1n);
}

function readBlockId(value) {
  const [hash, partCount, partsHash] = record(value, 3);
  return { hash: bytes(hash, 0, 32), partCount: number(partCount, 0n, 2n ** 32n - 1n), partsHash: bytes(partsHash, 0, 32) };
}

function record(value, count) {
  require(Array.isArray(value) && value.length === count, `an array of ${count} is missing`);
  return value;
}

function bytes(value, least, most) {
  require(value instanceof Uint8Array && value.length >= least && value.length <= most, "bytes of another length");
  return value;
}

function number(value, least, most) {
  require(typeof value === "bigint" && value >= least && value <= most, `no integer from ${least} to ${most}`);
  return value;
}

function equal(left, right) {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function need(holds, code) {
  if (!holds) throw new LightInvalid(code);
}
