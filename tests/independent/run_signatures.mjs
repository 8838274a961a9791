// node run_signatures.mjs FOLDER: says of each {key, message, signature} (hex) on standard input whether it is valid.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { fromHex, isValid } = await import(pathToFileURL(`${process.argv[2]}/signature.js`));
const answers = [];
for (const { key, message, signature } of JSON.parse(await text(process.stdin))) {
  answers.push(await isValid(fromHex(key), fromHex(message), fromHex(signature)));
}
process.stdout.write(JSON.stringify(answers));
