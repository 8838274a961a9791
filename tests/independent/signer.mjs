// Signs and submits a transfer, written from docs/reference/wire-format.md alone: Node.js and nothing else is needed.
//
//     node signer.mjs key FILE SCHEME            makes FILE (PKCS #8) unless it exists; prints the public key
//     node signer.mjs transaction FILE FIELDS    prints the signed transaction in hex
//     node signer.mjs token FILE FIELDS          prints an access token
//     node signer.mjs transfer FILE URL FIELDS   signs, submits, prints what the node answers
//
// SCHEME is ed25519 or p256. FIELDS is a JSON object; bytes are in hex, the amount is text.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign as signBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const TOKEN_LIFE_MS = 900_000;
const TRANSACTION = Buffer.from("traco/transaction/1\0");
const ACCESS = Buffer.from("traco/access/1\0");

/** Canonical MessagePack of null, integers (number or bigint), strings, Buffers and arrays of these. */
function packed(value) {
  if (value === null) return Buffer.of(0xc0);
  if (typeof value === "number" || typeof value === "bigint") return packedInteger(BigInt(value));
  if (typeof value === "string") {
    const raw = Buffer.from(value);
    return Buffer.concat([head(raw.length, [0xa0, 32], [[0xd9, 1], [0xda, 2], [0xdb, 4]]), raw]);
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(value.length, null, [[0xc4, 1], [0xc5, 2], [0xc6, 4]]), value]);
  return Buffer.concat([head(value.length, [0x90, 16], [[0xdc, 2], [0xdd, 4]]), ...value.map(packed)]);
}

/** The shortest head of this length: in the first byte, or behind a mark in so many bytes. */
function head(length, fixed, marks) {
  if (fixed !== null && length < fixed[1]) return Buffer.of(fixed[0] + length);
  const [mark, size] = marks.find(([, bytes]) => length < 2 ** (8 * bytes));
  return marked(mark, size, BigInt(length));
}

/** The shortest form of a number that is not negative. */
function packedInteger(value) {
  if (value < 128n) return Buffer.of(Number(value));
  const marks = [[0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8]];
  const [mark, size] = marks.find(([, bytes]) => value < 1n << BigInt(8 * bytes));
  return marked(mark, size, value);
}

function marked(mark, size, value) {
  return Buffer.from(mark.toString(16) + value.toString(16).padStart(2 * size, "0"), "hex");
}

function makeKey(file, scheme) {
  if (existsSync(file)) return;
  const pair = scheme === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, pair.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
}

/** Scheme byte and key. */
function publicKey(key) {
  const { x, y } = createPublicKey(key).export({ format: "jwk" });
  const first = Buffer.from(x, "base64url");
  if (key.asymmetricKeyType === "ed25519") return Buffer.concat([Buffer.of(1), first]);
  return Buffer.concat([Buffer.of(2, 2 + (Buffer.from(y, "base64url").at(-1) & 1)), first]);
}

/** Scheme byte and signature; of ECDSA the one of the two that has the low s. */
function sign(key, message) {
  if (key.asymmetricKeyType === "ed25519") return Buffer.concat([Buffer.of(1), signBytes(null, message, key)]);
  const signature = signBytes("sha256", message, { key, dsaEncoding: "ieee-p1363" });
  const s = BigInt(`0x${signature.subarray(32).toString("hex")}`);
  const low = s > P256_ORDER / 2n ? P256_ORDER - s : s;
  return Buffer.concat([Buffer.of(2), signature.subarray(0, 32), Buffer.from(low.toString(16).padStart(64, "0"), "hex")]);
}

/** A signed transfer. */
function transaction(key, fields) {
  const ids = ["party", "instrument", "sender", "receiver"].map((name) => bytes(fields[name]));
  const transfer = ["holding.transfer/1", ...ids, BigInt(fields.amount), bytes(fields.reference)];
  const body = packed([1, bytes(fields.network), Buffer.alloc(0), fields.valid_until, bytes(fields.salt), [transfer]]);
  const identity = createHash("sha256").update(TRANSACTION).update(body).digest();
  const signature = sign(key, Buffer.concat([TRANSACTION, identity]));
  return Buffer.concat([Buffer.of(0x92), body, packed([[publicKey(key), signature]])]);
}

/** An access token. */
function token(key, fields) {
  const [network, node, party, salt] = ["network", "node", "party", "salt"].map((name) => bytes(fields[name]));
  const grant = [1, network, node, party, fields.scope, fields.issued_ms, fields.expires_ms, salt];
  const signature = sign(key, Buffer.concat([ACCESS, publicKey(key), packed(grant)]));
  return packed([grant, [publicKey(key), signature]]).toString("base64url");
}

/** Signs a transfer for the network of this node and submits it, with a token where `node` (its key) is given. */
async function submit(key, url, fields) {
  const { network, time_ms: now } = await (await fetch(`${url}/v1/status`)).json();
  const headers = { "Content-Type": "application/octet-stream" };
  if (fields.node !== undefined) {
    const { node, party } = fields;
    const times = { issued_ms: now, expires_ms: now + TOKEN_LIFE_MS, salt: randomBytes(16).toString("hex") };
    headers.Authorization = `Bearer ${token(key, { network, node, party, scope: "submit", ...times })}`;
  }
  const fresh = { network, valid_until: now + 60_000, salt: randomBytes(16).toString("hex") };
  const answer = await fetch(`${url}/v1/transactions`, { method: "POST", body: transaction(key, { ...fresh, ...fields }), headers });
  return answer.json();
}

function bytes(hex) {
  return Buffer.from(hex, "hex");
}

async function main(command, file, ...rest) {
  if (command === "key") {
    makeKey(file, rest[0]);
    return publicKey(createPrivateKey(readFileSync(file))).toString("hex");
  }
  const key = createPrivateKey(readFileSync(file));
  const fields = JSON.parse(rest.at(-1));
  if (command === "transaction") return transaction(key, fields).toString("hex");
  if (command === "token") return token(key, fields);
  return JSON.stringify(await submit(key, rest[0], fields));
}

process.stdout.write(`${await main(...process.argv.slice(2))}\n`);
