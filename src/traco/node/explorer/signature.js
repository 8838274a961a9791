// Checks signatures by the ledger's rule, with the cryptography that the browser (or Node.js) brings along.
//
// Libraries differ in what they accept at the edges, so all that they differ in is decided here, before: for ed25519 a key
// in canonical form, neither key nor R of small order, S below the group order; for P-256 numbers in range and the low s.

const ED25519 = 1;
const P256 = 2;
const SIGNATURE_BYTES = 65;
const ED25519_KEY_BYTES = 33;
const P256_KEY_BYTES = 34;

export const ED25519_PRIME = 2n ** 255n - 19n;
export const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
// y of the points of order 1, 2, 4 and 8; 0 and 1 may also be written with the prime added
const SMALL_ORDER = new Set([
  0n, 1n, ED25519_PRIME - 1n, ED25519_PRIME, ED25519_PRIME + 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);
const P256_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

// RFC 8032, 7.1, test 2: shows whether this browser knows ed25519 at all
const PROBE_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const PROBE_SIGNATURE = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
  + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

/** This browser cannot check the receipt; it says nothing about the receipt. `code` is `verifier.unsupported`. */
export class VerifierUnsupported extends Error {
  constructor(reason) {
    super(`verifier.unsupported: ${reason}`);
    this.code = "verifier.unsupported";
    this.reason = reason;
  }
}

/** The browser's cryptography. Throws VerifierUnsupported where a page may not use it. */
export function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) {
    throw new VerifierUnsupported("the browser offers cryptography to pages from https or this machine only");
  }
  return found;
}

/** SHA-256 of the parts, one after the other. */
export async function sha256(...parts) {
  return new Uint8Array(await subtle().digest("SHA-256", join(...parts)));
}

/** The parts as one. */
export function join(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}

/** Lower-case hexadecimal digits. */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the signature is valid; key and signature begin with their scheme and may be any bytes. */
export async function isValid(key, message, signature) {
  if (key[0] !== signature[0] || signature.length !== SIGNATURE_BYTES) return false;
  if (key[0] === ED25519) return key.length === ED25519_KEY_BYTES && isEd25519(key.subarray(1), message, signature.subarray(1));
  if (key[0] === P256) return key.length === P256_KEY_BYTES && isP256(key.subarray(1), message, signature.subarray(1));
  return false;
}

async function isEd25519(key, message, signature) {
  const y = yOf(signature.subarray(0, 32));
  const s = littleEndian(signature.subarray(32));
  if (!isSoundKey(key) || s >= ED25519_ORDER || SMALL_ORDER.has(y)) return false;
  await requireEd25519();
  return check({ name: "Ed25519" }, key, signature, message);
}

/** Whether these are 32 bytes in canonical form and not of small order, for which by the engine's rule anybody could sign. */
export function isSoundKey(key) {
  if (key.length !== 32) return false;
  const y = yOf(key);
  return y < ED25519_PRIME && !SMALL_ORDER.has(y);
}

function yOf(point) {
  return littleEndian(point) & (2n ** 255n - 1n);
}

async function isP256(key, message, signature) {
  const r = bigEndian(signature.subarray(0, 32));
  const s = bigEndian(signature.subarray(32));
  if (r < 1n || r >= P256_ORDER || s < 1n || s > P256_ORDER / 2n) return false;
  const point = uncompressed(key);
  return point !== null && check(ECDSA, point, signature, message);
}

async function check(algorithm, key, signature, message) {
  let imported;
  try {
    imported = await subtle().importKey("raw", key, algorithm, false, ["verify"]);
  } catch (error) {
    if (error.name === "DataError" || error.name === "OperationError") return false; // no point of the curve
    throw error;
  }
  return subtle().verify(algorithm, imported, signature, message);
}

let known = null;

async function requireEd25519() {
  known ??= probe();
  if (!(await known)) {
    throw new VerifierUnsupported("this browser does not know ed25519; use a newer one, or `traco verify`");
  }
}

async function probe() {
  try {
    const key = await subtle().importKey("raw", fromHex(PROBE_KEY), { name: "Ed25519" }, false, ["verify"]);
    return await subtle().verify({ name: "Ed25519" }, key, fromHex(PROBE_SIGNATURE), Uint8Array.of(0x72));
  } catch (error) {
    if (error.name === "NotSupportedError" || error.name === "SyntaxError") return false;
    throw error;
  }
}

/** The point with both coordinates (SEC 1, 2.3.4), because not every browser takes the short form; null for none. */
function uncompressed(key) {
  const x = bigEndian(key.subarray(1));
  if ((key[0] !== 2 && key[0] !== 3) || x >= P256_PRIME) return null;
  const square = (x ** 3n - 3n * x + P256_B) % P256_PRIME;
  const root = power(((square % P256_PRIME) + P256_PRIME) % P256_PRIME, (P256_PRIME + 1n) / 4n);
  if ((root * root - square) % P256_PRIME !== 0n) return null;
  const y = root % 2n === BigInt(key[0] - 2) ? root : P256_PRIME - root;
  return join(Uint8Array.of(4), key.subarray(1), fromHex(y.toString(16).padStart(64, "0")));
}

function power(base, exponent) {
  let result = 1n;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % P256_PRIME;
    base = (base * base) % P256_PRIME;
  }
  return result;
}

function bigEndian(bytes) {
  return BigInt(`0x${hex(bytes)}`);
}

/** The integer (BigInt) in these bytes, the lowest first. */
export function littleEndian(bytes) {
  return bigEndian(Uint8Array.from(bytes).reverse());
}

/** The bytes that lower-case hex stands for. */
export function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
