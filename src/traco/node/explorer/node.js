// Asks the node. Whole numbers beyond what JavaScript counts exactly come as strings of digits, so that no amount is rounded.

import { say } from "./words.js";

const STORED = "traco.token";
const LONG_NUMBER = /("(?:[^"\\]|\\.)*")|(-?\d{16,})(?![\d.eE])/g;

/** An error of the node: HTTP status, stable code, and what it says. */
export class NodeError extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** JSON with every whole number of 16 digits or more as a string. */
export function parse(text) {
  return JSON.parse(text.replace(LONG_NUMBER, (whole, quoted, number) => quoted ?? `"${number}"`));
}

/** The access token in use, or null. It is kept until the tab is closed. */
export function token() {
  return sessionStorage.getItem(STORED);
}

/** Use an access token from now on; null: none. */
export function useToken(text) {
  if (text) sessionStorage.setItem(STORED, text);
  else sessionStorage.removeItem(STORED);
}

function headers(more) {
  return token() ? { ...more, Authorization: `Bearer ${token()}` } : more;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options, headers: headers(options?.headers ?? {}) });
  } catch {
    throw new NodeError(0, "node.unreachable", say("node_unreachable"));
  }
  if (answer.ok) return answer;
  let problem = {};
  try {
    problem = parse(await answer.text());
  } catch { /* not a problem document: the status says enough */ }
  throw new NodeError(answer.status, problem.code ?? `http.${answer.status}`, problem.detail ?? answer.statusText);
}

/** The JSON answer of a GET route; parameters that are null are left out. */
export async function get(path, parameters = {}) {
  const wanted = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(wanted).toString();
  return parse(await (await ask(query ? `${path}?${query}` : path)).text());
}

/** The bytes that a GET route answers. */
export async function bytes(path) {
  return new Uint8Array(await (await ask(path)).arrayBuffer());
}

/** The answer of a module's query. */
export async function query(name, fields = {}) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
  return parse(await (await ask(`/v1/queries/${name}`, options)).text()).answer;
}

/** As `query`, with null for what is not there, or not the reader's business. */
export async function find(name, fields) {
  try {
    return await query(name, fields);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Follow the stream of events from a position until `signal` ends it: calls `each` with kind, position and data of messages. */
export async function follow(after, each, signal) {
  const path = after ? `/v1/events?after=${encodeURIComponent(after)}` : "/v1/events";
  const answer = await ask(path, { headers: { Accept: "text/event-stream" }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value.replaceAll("\r\n", "\n");
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const message = readMessage(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
      if (message.data) each(message.kind, message.position, parse(message.data));
    }
  }
}

function readMessage(text) {
  const message = { kind: "message", position: "", data: "" };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") message.kind = value;
    else if (name === "id") message.position = value;
    else if (name === "data") message.data += message.data ? `\n${value}` : value;
  }
  return message;
}
