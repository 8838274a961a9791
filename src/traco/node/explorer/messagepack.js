// Canonical MessagePack, as the ledger writes it: one meaning has one form, and any other form is refused.
//
// Values: null, boolean, BigInt (integers), number (floats), string, Uint8Array, Array, Map, Extension, Timestamp.
// Floats, maps, extensions and times stand in no instruction or event of the ledger; they are read because the Python
// verifier reads them, and both must refuse the same bytes for the same reason.

const MAX_DEPTH = 900; // about where Python's own limit of recursion lies; what the ledger writes nests a few levels deep
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const FIRST_SECOND = -62135596800n; // of the year 1
const LAST_SECOND = 253402300799n; // of the year 9999
const BILLION = 1_000_000_000n;

/** The bytes are not the canonical form of anything, or of another type than wanted. */
export class Malformed extends Error {}

/** A value of an application's own type. */
export class Extension {
  constructor(type, payload) {
    this.type = type;
    this.payload = payload;
  }
}

/** A moment: seconds since 1970 (UTC) and nanoseconds. */
export class Timestamp {
  constructor(seconds, nanoseconds) {
    this.seconds = seconds;
    this.nanoseconds = nanoseconds;
  }
}

/** Throws Malformed unless the condition holds. */
export function require(holds, reason) {
  if (!holds) throw new Malformed(reason);
}

/** The value that all of these bytes are the canonical form of. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value();
  reader.end();
  return value;
}

/** Reads values one after the other; `position` is the next byte. */
export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.position = 0;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Throws unless everything was read. */
  end() {
    require(this.position === this.bytes.length, "bytes follow the value");
  }

  /** The number of elements of an array that begins here. */
  arrayLength() {
    const head = this.#uint(1);
    if (head >= 0x90 && head <= 0x9f) return head & 15;
    if (head === 0xdc) return this.#length(2, 16);
    if (head === 0xdd) return this.#length(4, 65536);
    throw new Malformed("an array is missing");
  }

  /** The next value. */
  value(depth = 0) {
    require(depth <= MAX_DEPTH, "nested too deeply");
    require(this.position < this.bytes.length, "the bytes end too early");
    const head = this.bytes[this.position];
    if (head >= 0x90 && head <= 0x9f) return this.#array(depth);
    this.position += 1;
    if (head <= 0x7f) return BigInt(head);
    if (head <= 0x8f) return this.#map(head & 15, depth);
    if (head <= 0xbf) return this.#text(head & 31);
    if (head >= 0xe0) return BigInt(head - 256);
    return this.#marked(head, depth);
  }

  #marked(head, depth) {
    if (head >= 0xcc && head <= 0xd3) return this.#integer(head);
    if (head >= 0xd4 && head <= 0xd8) return this.#extension(1 << (head - 0xd4));
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.#take(this.#uint(1)).slice();
      case 0xc5: return this.#take(this.#length(2, 1 << 8)).slice();
      case 0xc6: return this.#take(this.#length(4, 1 << 16)).slice();
      case 0xc7: return this.#extension(this.#unusualSize(this.#uint(1)));
      case 0xc8: return this.#extension(this.#length(2, 1 << 8));
      case 0xc9: return this.#extension(this.#length(4, 1 << 16));
      case 0xcb: return this.#double();
      case 0xd9: return this.#text(this.#length(1, 32));
      case 0xda: return this.#text(this.#length(2, 1 << 8));
      case 0xdb: return this.#text(this.#length(4, 1 << 16));
      case 0xdc:
      case 0xdd: this.position -= 1; return this.#array(depth);
      case 0xde: return this.#map(this.#length(2, 16), depth);
      case 0xdf: return this.#map(this.#length(4, 1 << 16), depth);
      default: throw new Malformed("no canonical value begins like this"); // 0xc1; 0xca, a float of half the size
    }
  }

  #array(depth) {
    const length = this.arrayLength();
    const items = [];
    for (let index = 0; index < length; index += 1) items.push(this.value(depth + 1));
    return items;
  }

  #map(length, depth) {
    const entries = new Map();
    const names = new Set();
    for (let index = 0; index < length; index += 1) {
      const key = this.value(depth + 1);
      const name = identityOf(key);
      require(!names.has(name), "a map has a key twice");
      names.add(name);
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }

  #text(length) {
    try {
      return UTF8.decode(this.#take(length));
    } catch (error) {
      if (error instanceof TypeError) throw new Malformed("text is not UTF-8");
      throw error;
    }
  }

  #double() {
    this.#take(8);
    return this.view.getFloat64(this.position - 8);
  }

  #integer(head) {
    const size = 1 << (head & 3);
    this.#take(size);
    const at = this.position - size;
    const signed = head >= 0xd0;
    const value = size < 8 ? BigInt(this.#small(at, size, signed))
      : signed ? this.view.getBigInt64(at) : this.view.getBigUint64(at);
    require(value < 0n === signed, "a number without sign has one form");
    const magnitude = signed ? -value - 1n : value;
    const fits = signed ? [32n, 1n << 7n, 1n << 15n, 1n << 31n] : [1n << 7n, 1n << 8n, 1n << 16n, 1n << 32n];
    require(magnitude >= fits[head & 3], "a number has a shorter form");
    return value;
  }

  #small(at, size, signed) {
    if (size === 1) return signed ? this.view.getInt8(at) : this.view.getUint8(at);
    if (size === 2) return signed ? this.view.getInt16(at) : this.view.getUint16(at);
    return signed ? this.view.getInt32(at) : this.view.getUint32(at);
  }

  #extension(size) {
    const type = (this.#uint(1) << 24) >> 24;
    const payload = this.#take(size).slice();
    return type === -1 ? timestamp(payload) : new Extension(type, payload);
  }

  #unusualSize(size) {
    require(![1, 2, 4, 8, 16].includes(size), "an extension has a shorter form");
    return size;
  }

  #length(size, least) {
    const length = this.#uint(size);
    require(length >= least, "a length has a shorter form");
    return length;
  }

  #uint(size) {
    this.#take(size);
    return this.#small(this.position - size, size, false);
  }

  #take(size) {
    require(size <= this.bytes.length - this.position, "the bytes end too early");
    this.position += size;
    return this.bytes.subarray(this.position - size, this.position);
  }
}

/** A time in the shortest of its three forms; in whole microseconds, of the years 1 to 9999. */
function timestamp(payload) {
  const view = new DataView(payload.buffer);
  if (payload.length === 4) return new Timestamp(BigInt(view.getUint32(0)), 0n);
  let seconds;
  let nanoseconds;
  if (payload.length === 8) {
    const packed = view.getBigUint64(0);
    seconds = packed & ((1n << 34n) - 1n);
    nanoseconds = packed >> 34n;
    require(nanoseconds > 0n || seconds >= 1n << 32n, "a time has a shorter form");
  } else {
    require(payload.length === 12, "a time has 4, 8 or 12 bytes");
    seconds = view.getBigInt64(4);
    nanoseconds = BigInt(view.getUint32(0));
    require(seconds < 0n || seconds >= 1n << 34n, "a time has a shorter form");
  }
  require(nanoseconds < BILLION && nanoseconds % 1000n === 0n, "a time is in whole microseconds");
  require(seconds >= FIRST_SECOND && seconds <= LAST_SECOND, "a time is of the years 1 to 9999");
  return new Timestamp(seconds, nanoseconds);
}

/** A text that two keys of a map share if and only if Python holds them for equal (1, 1.0 and true are). */
function identityOf(key) {
  if (key === null) return "null";
  if (typeof key === "boolean") return key ? "number 1" : "number 0";
  if (typeof key === "bigint") return `number ${key}`;
  if (typeof key === "number") return numberIdentity(key);
  if (typeof key === "string") return `text ${JSON.stringify(key)}`;
  if (key instanceof Uint8Array) return `bytes ${key.join()}`;
  if (key instanceof Timestamp) return `time ${key.seconds} ${key.nanoseconds}`;
  if (Array.isArray(key)) return `(${key.map(identityOf).join(";")})`;
  throw new Malformed("a map or an extension cannot be the key of a map");
}

let unequal = 0;

function numberIdentity(key) {
  if (Number.isNaN(key)) return `unequal to everything ${(unequal += 1)}`;
  return Number.isInteger(key) ? `number ${BigInt(key)}` : `number ${key}`;
}
