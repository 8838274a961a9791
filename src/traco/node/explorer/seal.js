// Reads and checks the seal of a receipt: a checkpoint, which is a signed note (C2SP) with one signature.

import { hex, isValid, join, sha256 } from "./signature.js";

const MAX_NOTE_BYTES = 512;
const MAX_NUMBER = 2n ** 53n - 1n; // of height and time
const ED25519 = 1;
const DASH = "\u00e2\u0080\u0094 "; // the bytes of an em dash in UTF-8, read as Latin-1, and a space
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The note is no checkpoint of this network sealed by this key; `code` says why. */
export class SealInvalid extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Height (BigInt), time in ms (BigInt) and app hash of the checkpoint that `key` sealed for `network`. */
export async function verifyCheckpoint(note, network, key) {
  if (note.length > MAX_NOTE_BYTES) throw new SealInvalid("seal.too_long");
  if (key.length !== 33 || key[0] !== ED25519) throw new SealInvalid("seal.key");
  const parts = bytesAsText(note).split("\n");
  if (parts.length !== 7 || parts[4] || parts[6]) throw new SealInvalid("seal.layout");
  const [origin, height, time, hashed, , line] = parts;
  if (origin !== `traco/${hex(network)}`) throw new SealInvalid("seal.network");
  const checkpoint = { height: number(height), timeMs: number(time), appHash: base64(hashed, 32, "seal.app_hash") };
  const prefix = `${DASH}${origin} `;
  if (!line.startsWith(prefix)) throw new SealInvalid("seal.layout");
  const mark = base64(line.slice(prefix.length), 68, "seal.signature");
  const identity = await keyId(origin, key);
  if (hex(mark.subarray(0, 4)) !== hex(identity)) throw new SealInvalid("seal.foreign_key");
  const text = [origin, checkpoint.height, checkpoint.timeMs, toBase64(checkpoint.appHash), ""].join("\n");
  if (`${text}\n${prefix}${toBase64(mark)}\n` !== parts.join("\n")) throw new SealInvalid("seal.not_canonical");
  const signature = join(key.subarray(0, 1), mark.subarray(4));
  const valid = await isValid(key, new TextEncoder().encode(text), signature);
  if (!valid) throw new SealInvalid("seal.signature");
  return checkpoint;
}

async function keyId(origin, key) {
  const hashed = await sha256(new TextEncoder().encode(`${origin}\n`), Uint8Array.of(ED25519), key.subarray(1));
  return hashed.subarray(0, 4);
}

function number(digits) {
  if (!/^[0-9]+$/.test(digits) || BigInt(digits) > MAX_NUMBER) throw new SealInvalid("seal.number");
  return BigInt(digits);
}

function base64(text, size, code) {
  if (!BASE64.test(text)) throw new SealInvalid(code);
  const decoded = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (decoded.length !== size) throw new SealInvalid(code);
  return decoded;
}

function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** One character for each byte. */
function bytesAsText(bytes) {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
