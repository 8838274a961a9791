// The words of the page in the reader's language. The files under words/ have the same keys, which a test of the project checks.

export const LANGUAGES = { en: "English", zh: "中文" };
const STORED = "traco.language";
let words = {};
let current = "en";

/** The language in use, as a tag such as "en". */
export function language() {
  return current;
}

/** The language chosen before, else the browser's, else English. */
export function preferred() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag) => tag in LANGUAGES) ?? "en";
}

/** Load a language and remember it. */
export async function speak(tag) {
  const answer = await fetch(`/explorer/words/${tag}.json`);
  words = await answer.json();
  current = tag;
  localStorage.setItem(STORED, tag);
  document.documentElement.lang = tag === "zh" ? "zh-Hans" : tag;
}

/** The word for a key; {name} in it is replaced by the value of that name. A key without a word is shown as it is. */
export function say(key, values = {}) {
  const found = words.page?.[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The sentence for an instruction or event by its tag, with {field} in it; null where there is none. */
export function sentence(tag) {
  return words.sentences?.[tag] ?? null;
}

/** The word for a stable code of the ledger (a status, a kind, a cause), or the code. */
export function word(code) {
  return words.codes?.[code] ?? String(code).replaceAll("_", " ");
}

/** The word for a field's name, or the name. */
export function field(name) {
  return words.fields?.[name] ?? name.replaceAll("_", " ");
}
