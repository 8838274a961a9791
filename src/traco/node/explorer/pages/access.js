// The reader's access token, made outside the browser: no key that can sign ever comes near this page.

import { h } from "../dom.js";
import { token, useToken } from "../node.js";
import { forget } from "../readable.js";
import { say } from "../words.js";

export function access() {
  const text = h("textarea", { id: "token", rows: "6", spellcheck: "false", autocomplete: "off" });
  const use = (event) => {
    event.preventDefault();
    useToken(text.value.trim() || null);
    forget();
    location.hash = "#/";
  };
  return [h("h1", null, say("access")), h("p", null, say("access_text")),
    h("pre", null, h("code", null, "traco token --as @party")),
    h("form", { onsubmit: use }, h("label", { for: "token" }, say("token")), text, h("p", null, h("button", null, say("use_token")))),
    h("p", { class: "empty" }, say(token() ? "token_in_use" : "token_none"))];
}
