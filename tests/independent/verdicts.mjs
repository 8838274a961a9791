// Judges many receipts with a given verifier: in Node.js by run_verdicts.mjs, in a browser by importing it from a page.

/**
 * The verdict on each case: `{valid, code, report}`.
 *
 * `cases` are `{receipt, genesis}`, the receipt in base64, the genesis by its name in `documents` (name to base64).
 */
export async function verdicts(verifier, cases, documents) {
  const founded = Object.fromEntries(Object.entries(documents).map(([name, text]) => [name, fromBase64(text)]));
  const judged = [];
  for (const { receipt, genesis } of cases) judged.push(await verdict(verifier, fromBase64(receipt), founded[genesis]));
  return judged;
}

async function verdict(verifier, receipt, genesis) {
  try {
    return { code: null, report: await verifier(receipt, genesis) };
  } catch (error) {
    if (typeof error.code !== "string" || !/^(channel_)?receipt[.]/.test(error.code)) return { code: `unexpected: ${error.stack}`, report: null };
    return { code: error.code, report: null };
  }
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
