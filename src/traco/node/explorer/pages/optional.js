// Parts of a page that a reader, or this node, may not have: left out without failing the page.

import { NodeError } from "../node.js";

const ABSENT = new Set([401, 403, 404, 405, 503]);

/** What `ask` gives, or null where the node does not have it for this reader. */
export async function optional(ask) {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof NodeError && ABSENT.has(error.status)) return null;
    throw error;
  }
}
