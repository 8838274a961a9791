// Starts the explorer: languages, theme, navigation, and which page an address shows. Reads only; nothing here can sign.

import { fill, h } from "./dom.js";
import { NodeError, token, useToken } from "./node.js";
import { access } from "./pages/access.js";
import { account } from "./pages/account.js";
import { batch } from "./pages/batch.js";
import { block, blocks } from "./pages/blocks.js";
import { channels } from "./pages/channels.js";
import { document_, documents } from "./pages/document.js";
import { financing } from "./pages/financing.js";
import { instrument, instruments } from "./pages/instruments.js";
import { overview } from "./pages/overview.js";
import { parties, party } from "./pages/parties.js";
import { search } from "./pages/search.js";
import { transaction } from "./pages/transaction.js";
import { verify } from "./pages/verify.js";
import { forget } from "./readable.js";
import { LANGUAGES, language, preferred, say, speak } from "./words.js";

// A page: (id from the address, signal that ends with the page, parameters) -> elements, or a promise of them.
const PAGES = { "": overview, blocks, block, tx: transaction, parties, party, instruments, instrument, account, documents,
  document: document_, financing, batch, channels, verify, access, search };
const MENU = [["", "overview"], ["blocks", "blocks"], ["parties", "parties"], ["instruments", "instruments"], ["documents", "documents"],
  ["channels", "channels"], ["verify", "verify"], ["access", "access"]];
const OBJECTS = new Set(["block", "tx", "party", "instrument", "account", "document", "financing", "batch", "verify"]);
const THEMES = ["auto", "light", "dark"];
const THEME = "traco.theme";

const find = (id) => document.getElementById(id);
let leaving = new AbortController();

async function show() {
  leaving.abort();
  const staying = (leaving = new AbortController());
  const [path, parameters] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = path.split("/", 2).map(plain);
  mark(name);
  const content = find("content");
  content.setAttribute("aria-busy", "true");
  try {
    const page = Object.hasOwn(PAGES, name) ? PAGES[name] : nowhere;
    const made = await page(id ?? "", staying.signal, new URLSearchParams(parameters ?? ""));
    if (!staying.signal.aborted) fill(content, made);
  } catch (error) {
    if (!staying.signal.aborted) fill(content, failure(error, name, id));
  }
  if (staying.signal.aborted) return;
  content.removeAttribute("aria-busy");
  const title = content.querySelector("h1")?.textContent;
  document.title = title ? `${title} · Traco` : "Traco";
}

/** A part of an address without its escapes; as it is where these are malformed. */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failure(error, name, id) {
  if (!(error instanceof NodeError)) throw error;
  // what cannot be an id is the id of nothing
  if (error.status === 400 && OBJECTS.has(name)) return [nowhere(), h("p", null, say("search_nothing", { text: id ?? "" }))];
  const signIn = error.status === 401 ? h("p", null, h("a", { href: "#/access" }, say("give_token"))) : null;
  return h("div", { class: "problem", role: "alert" },
    h("h1", null, say(error.status === 404 ? "not_found" : "problem")), h("p", null, error.message), signIn,
    h("p", null, h("code", null, error.code)));
}

function nowhere() {
  return h("h1", null, say("not_found"));
}

function mark(name) {
  const navigation = find("navigation");
  for (const anchor of navigation.querySelectorAll("a")) {
    if (anchor.dataset.page === name) {
      anchor.setAttribute("aria-current", "page");
      navigation.scrollLeft = anchor.offsetLeft - navigation.offsetLeft; // where it is one row that scrolls
    } else anchor.removeAttribute("aria-current");
  }
}

function furnish() {
  fill(find("navigation"), MENU.map(([name, key]) => h("a", { href: `#/${name}`, "data-page": name }, say(key))));
  find("skip").textContent = say("skip");
  find("navigation").setAttribute("aria-label", say("pages"));
  find("search-text").setAttribute("placeholder", say("search_hint"));
  find("search-text").setAttribute("aria-label", say("search"));
  const others = Object.keys(LANGUAGES).filter((tag) => tag !== language());
  find("language").textContent = LANGUAGES[others[0]];
  find("language").setAttribute("lang", others[0]);
  find("theme").textContent = say(`theme_${theme()}`);
  find("theme").setAttribute("aria-label", `${say("theme")}: ${say(`theme_${theme()}`)}`);
  fill(find("foot"), say("foot"), token() ? h("button", { type: "button", onclick: signOut }, say("forget_token")) : null);
}

function signOut() {
  useToken(null);
  forget();
  furnish();
  show();
}

function theme() {
  const stored = localStorage.getItem(THEME);
  return THEMES.includes(stored) ? stored : "auto";
}

function dress() {
  if (theme() === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme();
}

async function start() {
  dress();
  await speak(preferred());
  furnish();
  find("language").addEventListener("click", async () => {
    await speak(Object.keys(LANGUAGES).find((tag) => tag !== language()));
    furnish();
    show();
  });
  find("theme").addEventListener("click", () => {
    localStorage.setItem(THEME, THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    dress();
    furnish();
  });
  find("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = find("search-text").value.trim();
    if (text) location.hash = `#/search/${encodeURIComponent(text)}`;
  });
  addEventListener("hashchange", () => {
    find("content").focus({ preventScroll: true });
    scrollTo(0, 0);
    furnish();
    show();
  });
  await show();
}

start();
