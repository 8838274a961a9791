// Inclusion in a Merkle tree: RFC 9162, 2.1.3.2, which has the trees of RFC 6962.

import { equal, fail } from "./reading.js";
import { sha256 } from "./signature.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(...parts) {
  return sha256(LEAF, ...parts);
}

/** Refuses with `code` unless the path leads from the leaf's hash at `index` of `size` leaves to the root. */
export async function included(code, what, leaf, index, size, steps, root) {
  const wrong = (reason) => fail(code, `the ${what} is not where the path says: ${reason}`);
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

function bitLength(value) {
  return value === 0n ? 0 : value.toString(2).length;
}

function bitCount(value) {
  return value.toString(2).replaceAll("0", "").length;
}
