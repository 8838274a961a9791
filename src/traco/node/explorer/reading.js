// What the verifiers of receipts share: typed fields of decoded values, digests, and the one way of refusing.

import { Malformed, require } from "./messagepack.js";
import { join, sha256 } from "./signature.js";

export const MAX_COUNT = 2n ** 32n - 1n;
export const MAX_EXACT = 2n ** 53n - 1n;

const MAX_PATH = 64;

/** The file proves nothing under this genesis. `code` is stable, `reason` says which step failed. */
export class ReceiptInvalid extends Error {
  constructor(code, reason) {
    super(`${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

export function fail(code, reason) {
  throw new ReceiptInvalid(code, reason);
}

/** What `read` gives; what it finds malformed is refused with `code`. */
export function readAs(code, what, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) fail(code, `${what}: ${error.message}`);
    throw error;
  }
}

export function malformed(what, read) {
  return readAs("receipt.malformed", what, read);
}

/** The fields behind the tag of a record. */
export function record(value, tag, count) {
  require(Array.isArray(value) && value.length === count + 1 && value[0] === tag, `no record with the tag ${tag}`);
  return value.slice(1);
}

/** The fields of a record without a tag. */
export function fields(value, count) {
  require(Array.isArray(value) && value.length === count, `no record of ${count} fields`);
  return value;
}

export function list(value) {
  require(Array.isArray(value), "an array is missing");
  return value;
}

export function bytes(value, least = 0, most = least || Infinity) {
  require(value instanceof Uint8Array && value.length >= least && value.length <= most, "bytes of another length");
  return value;
}

export function integer(value, least, most) {
  require(typeof value === "bigint" && value >= least && value <= most, `no integer from ${least} to ${most}`);
  return value;
}

export function path(value) {
  require(list(value).length <= MAX_PATH, "a path is too long");
  return value.map((step) => bytes(step, 32));
}

/** The lowest `size` bytes of an integer, big-endian. */
export function uint(value, size) {
  const written = new Uint8Array(8);
  new DataView(written.buffer).setBigUint64(0, value);
  return written.subarray(8 - size);
}

export function context(tag, ...parts) {
  return join(new TextEncoder().encode(`${tag}\0`), ...parts);
}

export function digest(tag, ...parts) {
  return sha256(context(tag, ...parts));
}

export function equal(left, right) {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
