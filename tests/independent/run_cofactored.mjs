// node run_cofactored.mjs FOLDER: of each {key, message, signature} (hex, without scheme) on standard input, whether the engine's
// rule accepts the signature, and whether the key is sound. Answers also how long one check took, in milliseconds.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { isCofactored } = await import(pathToFileURL(`${process.argv[2]}/cofactored.js`));
const { fromHex, isSoundKey } = await import(pathToFileURL(`${process.argv[2]}/signature.js`));

const cases = JSON.parse(await text(process.stdin)).map((each) => [each.key, each.message, each.signature].map(fromHex));
const answers = [];
const begun = performance.now();
for (const [key, message, signature] of cases) answers.push(await isCofactored(key, message, signature));
const each_ms = (performance.now() - begun) / cases.length;
process.stdout.write(JSON.stringify({ answers, sound: cases.map(([key]) => isSoundKey(key)), each_ms }));
