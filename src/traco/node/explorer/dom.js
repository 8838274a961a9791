// Builds elements. Text is always set as text, never as markup: what the ledger holds cannot become part of the page.

/** An element: h("a", {href: "#/"}, "text", other). Properties that are null are left out; `onclick` and such are listeners. */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** Put children, nested lists of them, texts and numbers into an element. */
export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** A table. `columns`: {title, cell: row -> child, kind: "number" or nothing}. */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    // the roles of its parts are said, because as cards on narrow screens they would lose them
    h("table", { role: "table" },
      h("caption", { class: "unseen" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) => h("th", { scope: "col", role: "columnheader", class: column.kind }, column.title)))),
      h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" },
        columns.map((column) => h("td", { role: "cell", class: column.kind, "data-title": capital(column.title) }, column.cell(row))))))));
}

function capital(title) {
  return title.charAt(0).toUpperCase() + title.slice(1);
}

/** A list of terms and what they are. `pairs`: [term, child]; pairs without a child are left out. */
export function facts(pairs) {
  const present = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, present.map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value))));
}

/** A titled part of a page. */
export function section(title, ...children) {
  return h("section", null, h("h2", null, title), children);
}
