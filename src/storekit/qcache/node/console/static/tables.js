// All tables of the node, a page at a time, and one of them.

import { Failure, post, read } from "./asking.js";
import { $, h, named, say, visible } from "./dom.js";
import { age, briefCount, briefest, bytes, count, duration } from "./format.js";
import { describe, grid, pager } from "./grid.js";

const COLUMNS = [
  { name: "key", title: "Key", short: "Key" },
  { name: "rows", title: "Rows", short: "Rows", written: count, briefly: briefest },
  { name: "columns", title: "Columns", short: "Cols", written: count, briefly: briefest },
  { name: "memory", title: "Memory", short: "Mem", written: bytes, briefly: bytes },
  { name: "age", title: "Age", short: "Age", written: age, briefly: age },
  { name: "hits", title: "Hits", short: "Hits", written: count, briefly: briefest },
];
const PAGE = 100;
const SEARCH_AFTER = 150; // milliseconds without a key
const REFRESH = 6000; // milliseconds

const both = (full, brief) => [h("span", { class: "full" }, full), h("span", { class: "brief" }, brief)];

export class TableList {
  constructor() {
    this.sort = "key";
    this.descending = false;
    this.starts = [undefined]; // where this page and those before it begin
    this.head();
    $("tables-search").addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.anew(), SEARCH_AFTER);
    });
  }

  anew() {
    this.starts = [undefined];
    return this.load();
  }

  // Loads the page again now and then, for as long as it is in sight.
  show() {
    this.load();
    clearInterval(this.refreshing);
    this.refreshing = setInterval(() => document.hidden || this.load(), REFRESH);
  }

  hide() {
    clearInterval(this.refreshing);
  }

  head() {
    $("tables-head").replaceChildren(...COLUMNS.map((column) => {
      const isSorted = column.name === this.sort;
      const order = isSorted ? (this.descending ? "descending" : "ascending") : undefined;
      return h("th", { scope: "col", class: column.written && "number", "aria-sort": order },
        h("button", { type: "button", "data-focus": `sort-${column.name}`, click: () => this.sortBy(column) },
          both(column.title, column.short)));
    }));
  }

  sortBy(column) {
    // Of figures, the largest are looked for first.
    this.descending = column.name === this.sort ? !this.descending : Boolean(column.written);
    this.sort = column.name;
    keepingFocus(() => this.head());
    this.anew();
  }

  async load() {
    const values = { sort: this.sort, descending: this.descending ? "1" : "0", limit: PAGE };
    const search = $("tables-search").value.trim();
    if (search) values.search = search;
    const after = this.starts.at(-1);
    if (after !== undefined) values.after = after;
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const page = await read("tables", values, this.loading.signal);
      keepingFocus(() => this.draw(page, search));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Failure)) throw error;
      say($("tables-empty"), error.message);
    }
  }

  draw(page, search) {
    $("tables-count").textContent = count(page.matching);
    $("tables-body").replaceChildren(...page.tables.map((table) =>
      h("tr", {}, COLUMNS.map((column) => {
        const value = table[column.name];
        if (column.name !== "key") {
          return h("td", { class: "number" }, both(column.written(value), column.briefly(value)));
        }
        const path = `#/tables/${encodeURIComponent(value)}`;
        return h("th", { scope: "row" }, h("a", { href: path, "data-focus": `table-${value}`, title: value.slice(0, 300) }, value.slice(0, 300)));
      }))));
    const none = search ? `No key contains \u201c${search}\u201d.` : "No tables yet. What clients post to this node appears here.";
    say($("tables-empty"), page.tables.length ? "" : none);
    $("tables").hidden = !page.tables.length;
    const place = $("tables-pager");
    place.hidden = this.starts.length === 1 && page.next === null;
    place.replaceChildren(
      h("button", { type: "button", class: "button", "data-focus": "tables-before", disabled: this.starts.length === 1, click: () => this.turn(null) }, "Previous"),
      h("button", { type: "button", class: "button", "data-focus": "tables-after", disabled: page.next === null, click: () => this.turn(page.next) }, "Next"));
  }

  turn(next) {
    if (next === null) this.starts.pop();
    else this.starts.push(next);
    this.load();
  }
}

// Draws anew, and gives the focus to what stands where it was.
function keepingFocus(draw) {
  const focused = document.activeElement?.dataset.focus;
  draw();
  if (focused === undefined || document.activeElement?.dataset.focus === focused) return;
  document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

// -- one table

export class TableView {
  async show(key) {
    this.key = key;
    $("table-key").replaceChildren(...visible(key));
    $("table-query").href = `#/query?table=${encodeURIComponent(key)}`;
    say($("table-error"), "");
    $("table-content").hidden = true;
    const columns = await this.guarded(async () => {
      await this.columns(0);
      await this.rows(0);
      return true;
    });
    $("table-content").hidden = !columns;
  }

  async guarded(work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      say($("table-error"), error.message);
      return undefined;
    }
  }

  async columns(start) {
    const table = await read("table", { key: this.key, start });
    const facts = [
      ["Rows", count(table.rows)], ["Columns", count(table.columns)], ["Memory", bytes(table.memory)],
      ["Age", age(table.age)], ["Hits", count(table.hits)],
    ];
    if (table.expires_in !== null) facts.push(["Expires in", duration(table.expires_in)]);
    $("table-facts").replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    $("table-columns").replaceChildren(...table.described.map((column) =>
      h("li", {},
        h("bdi", { title: column.name }, named(column.name)),
        column.nulls ? h("small", { class: "nulls" }, `${briefCount(column.nulls)} null`) : null,
        h("small", { class: `type ${column.type}` }, column.type))));
    const shown = { offset: start, rows: table.described, total: table.columns };
    pager($("columns-pager"), shown, (place) => this.guarded(() => this.columns(place)));
  }

  async rows(offset) {
    const ask = { path: "rows", question: { key: this.key, query: {} } };
    const answer = await post(ask.path, { ...ask.question, offset, limit: 50 });
    $("rows-count").textContent = describe(answer, false).join(", ");
    const empty = h("p", { class: "panel empty" }, "No rows.");
    $("table-rows").replaceChildren(answer.rows.length ? grid(answer, "Rows of the table", ask) : empty);
    pager($("rows-pager"), answer, (place) => this.guarded(() => this.rows(place)));
  }
}
