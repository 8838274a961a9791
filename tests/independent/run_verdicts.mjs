// node run_verdicts.mjs FOLDER: judges the cases on standard input with the verifier in FOLDER. JSON in, JSON out.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

import { verdicts } from "./verdicts.mjs";

const { verifyAny } = await import(pathToFileURL(`${process.argv[2]}/channel.js`));
const { cases, documents } = JSON.parse(await text(process.stdin));
const judged = await verdicts(verifyAny, cases, documents);
process.stdout.write(JSON.stringify(judged, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
