// Checks ed25519 signatures by the engine's rule (ZIP-215), for its votes and for nothing else.
//
// The browser's own check is stricter in some browsers than in others; what it accepts need not be asked here. The equation is
// [8][S]B = [8]R + [8][k]A, with S below the group order and any encoding of the points, which are in extended coordinates
// (X, Y, Z, T) with x = X / Z, y = Y / Z, x y = T / Z. Everything here is public, so the time it takes may tell what it likes.

import { ED25519_ORDER, ED25519_PRIME as PRIME, join, littleEndian, subtle } from "./signature.js";

const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
const ROOT_OF_MINUS_ONE = 0x2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0n;
const IDENTITY = [0n, 1n, 1n, 0n];
const BASE = decompress(Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 0x58 : 0x66)));

/** Whether the engine accepts the signature (64 bytes) of the key (32 bytes), without schemes; both may be any bytes. */
export async function isCofactored(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  const [encodedR, s] = [signature.subarray(0, 32), littleEndian(signature.subarray(32))];
  const [a, r] = [decompress(key), decompress(encodedR)];
  if (s >= ED25519_ORDER || a === null || r === null) return false;
  const hashed = await subtle().digest("SHA-512", join(encodedR, key, message));
  const k = littleEndian(new Uint8Array(hashed)) % ED25519_ORDER;
  let rest = add(sumOfMultiples(s, BASE, k, negative(a)), negative(r));
  for (let count = 0; count < 3; count += 1) rest = add(rest, rest);
  const [x, y, z] = rest;
  return modulo(x) === 0n && modulo(y - z) === 0n;
}

/** The point, in any encoding: y may be the prime or more, and x = 0 may have either sign; null for no point of the curve. */
function decompress(bytes) {
  const written = littleEndian(bytes);
  const [y, sign] = [modulo(written & (2n ** 255n - 1n)), written >> 255n];
  const [u, v] = [modulo(y * y - 1n), modulo(D * y * y + 1n)];
  let x = modulo(u * v ** 3n * power(modulo(u * v ** 7n), (PRIME - 5n) / 8n)); // RFC 8032, 5.1.3
  if (modulo(v * x * x) !== u) x = modulo(x * ROOT_OF_MINUS_ONE);
  if (modulo(v * x * x) !== u) return null;
  if ((x & 1n) !== sign) x = modulo(-x);
  return [x, y, 1n, modulo(x * y)];
}

/** m P + n Q, bit by bit of both at once. */
function sumOfMultiples(m, p, n, q) {
  const both = add(p, q);
  let sum = IDENTITY;
  for (let bit = 252n; bit >= 0n; bit -= 1n) {
    sum = add(sum, sum);
    const [ofM, ofN] = [(m >> bit) & 1n, (n >> bit) & 1n];
    if (ofM || ofN) sum = add(sum, ofM && ofN ? both : ofM ? p : q);
  }
  return sum;
}

/** For any two points (Hisil, Wong, Carter, Dawson 2008, 3.1, with a = -1): there are no exceptions on this curve. */
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = ((y1 - x1) * (y2 - x2)) % PRIME;
  const b = ((y1 + x1) * (y2 + x2)) % PRIME;
  const c = (((2n * t1 * t2) % PRIME) * D) % PRIME;
  const d = (2n * z1 * z2) % PRIME;
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [(e * f) % PRIME, (g * h) % PRIME, (f * g) % PRIME, (e * h) % PRIME];
}

function negative([x, y, z, t]) {
  return [-x, y, z, -t];
}

function power(base, exponent) {
  let result = 1n;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % PRIME;
    base = (base * base) % PRIME;
  }
  return result;
}

/** The remainder from 0 on; that of `%` has the sign of what is divided. */
function modulo(value) {
  const remainder = value % PRIME;
  return remainder < 0n ? remainder + PRIME : remainder;
}
