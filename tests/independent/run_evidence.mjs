// node run_evidence.mjs FOLDER: what the verifier in FOLDER says of evidence, under genesis documents. JSON in, JSON out.

import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const { parseGenesis } = await import(pathToFileURL(`${process.argv[2]}/genesis.js`));
const { LightInvalid, verifyEvidence } = await import(pathToFileURL(`${process.argv[2]}/light.js`));

async function judged({ evidence, network, genesis }) {
  const { founders } = parseGenesis(Buffer.from(genesis, "base64"));
  try {
    const proof = await verifyEvidence(new Uint8Array(Buffer.from(evidence, "base64")), Buffer.from(network, "hex"), founders);
    return [proof.height, proof.timeMs, Buffer.from(proof.appHash).toString("hex"), proof.signers.length, proof.totalPower, proof.handovers].join(" ");
  } catch (error) {
    if (error instanceof LightInvalid) return error.code;
    throw error;
  }
}

const answers = [];
for (const each of JSON.parse(await text(process.stdin))) answers.push(await judged(each));
process.stdout.write(JSON.stringify(answers));
