// The query box, what was asked before, and the answer as rows, chart, JSON and CSV.

import { Failure, csv, post, read } from "./asking.js";
import { ChartView } from "./chart.js";
import { $, h, say } from "./dom.js";
import { count, duration } from "./format.js";
import { examplesFor } from "./examples.js";
import { describe, grid, pager } from "./grid.js";

const MOST_HISTORY = 30;
const HISTORY = "qcache-console-history";
const TABS = ["table", "chart", "json"];
const NO_SQL = "SQL needs a package that the node does not have: pip install 'storekit[sql]' there. JSON works without it.";

export class QueryView {
  constructor() {
    this.chart = new ChartView($("result-chart"));
    this.history = storedHistory();
    this.texts = { sql: "", json: "{}" }; // of the language that is not shown
    this.hasSql = undefined;
    $("query-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    $("query-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
    });
    $("query-stop").addEventListener("click", () => this.running?.abort());
    $("query-csv").addEventListener("click", () => this.download());
    for (const radio of this.radios()) radio.addEventListener("change", () => this.changeLanguage(radio.value));
    $("query-key").addEventListener("input", () => this.suggest());
    $("query-key").addEventListener("change", () => this.offer($("query-key").value));
    for (const [place, name] of TABS.entries()) {
      $(`tab-${name}`).addEventListener("click", () => this.openTab(name));
      $(`tab-${name}`).addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) return;
        const next = TABS[(place + step + TABS.length) % TABS.length];
        this.openTab(next);
        $(`tab-${next}`).focus();
      });
    }
    this.drawHistory();
    if (isNarrow()) for (const each of document.querySelectorAll(".aside details")) each.open = false;
  }

  radios() {
    return document.querySelectorAll("input[name=language]");
  }

  get language() {
    return document.querySelector("input[name=language]:checked").value;
  }

  // Adapt to the state of the node.
  know(life) {
    if (life.sql === this.hasSql) return;
    this.hasSql = life.sql;
    if (!life.sql && this.language === "sql" && !$("query-text").value.trim()) this.setLanguage("json");
    this.note();
  }

  async show(key) {
    this.suggest();
    if (key !== null && key !== this.offered) {
      $("query-key").value = key;
      const examples = await this.offer(key);
      if (examples.length) this.write(examples[0]);
    } else if (this.offered === undefined) {
      const page = await quietly(read("tables", { limit: 1 }));
      if (page?.tables.length && this.offered === undefined) {
        const [{ key: first }] = page.tables;
        if (!$("query-key").value) $("query-key").value = first;
        const examples = await this.offer(first);
        if (examples.length && !$("query-text").value.trim()) this.write(examples[0]);
      }
    }
  }

  // -- what is asked

  setLanguage(language) {
    for (const radio of this.radios()) radio.checked = radio.value === language;
    this.changeLanguage(language);
  }

  changeLanguage(language) {
    if (language === this.shown) return;
    const other = language === "sql" ? "json" : "sql";
    this.texts[other] = $("query-text").value;
    $("query-text").value = this.texts[language];
    this.shown = language;
    $("query-key-field").hidden = language !== "json";
    this.note();
    this.drawExamples();
  }

  note() {
    say($("query-note"), this.hasSql === false && this.language === "sql" ? NO_SQL : "");
  }

  write({ language, key, text }) {
    this.setLanguage(language);
    if (key) $("query-key").value = key;
    $("query-text").value = text;
  }

  async suggest() {
    const page = await quietly(read("tables", { search: $("query-key").value.trim(), limit: 20 }));
    const tables = page?.tables ?? [];
    $("query-keys").replaceChildren(...tables.map(({ key }) => h("option", { value: key })));
  }

  // Shows examples for a table, in both languages.
  async offer(key) {
    this.offered = key;
    const table = await quietly(read("table", { key }));
    if (this.offered !== key) return [];
    this.examples = table === undefined ? [] : examplesFor(key, table.described);
    return this.drawExamples();
  }

  drawExamples() {
    const language = this.language;
    const examples = (this.examples ?? []).filter((each) => each.language === language);
    $("query-examples").replaceChildren(...examples.map((example) =>
      h("li", {}, h("button", { type: "button", click: () => this.take(example) },
        h("span", {}, example.title), h("code", {}, h("bdi", {}, example.text))))));
    return examples;
  }

  take(example) {
    this.write(example);
    $("query-text").focus();
  }

  // -- asking

  async run(offset = 0) {
    const language = this.language;
    const text = $("query-text").value;
    const key = $("query-key").value.trim();
    let question;
    try {
      question = language === "sql" ? { sql: text } : { key, query: parsed(text, key) };
    } catch (failure) {
      return this.fail(failure);
    }
    this.running?.abort();
    const running = (this.running = new AbortController());
    $("query-stop").hidden = false;
    $("query-status").textContent = "Running \u2026";
    say($("query-error"), "");
    try {
      const answer = await post("query", { ...question, offset }, running.signal);
      this.display(answer, { path: "query", question });
      this.remember({ language, key: language === "json" ? key : "", text, rows: answer.total, seconds: answer.seconds });
    } catch (error) {
      if (this.running !== running) return undefined;
      if (error.name === "AbortError") $("query-status").textContent = "Stopped.";
      else this.fail(error);
    } finally {
      if (this.running === running) $("query-stop").hidden = true;
    }
    return undefined;
  }

  fail(failure) {
    if (!(failure instanceof Failure)) throw failure;
    $("query-status").textContent = "";
    $("query-result").hidden = true;
    say($("query-error"), failure.message);
  }

  display(answer, ask) {
    this.answer = answer;
    $("query-status").textContent = [...describe(answer), duration(answer.seconds)].join(" \u00b7 ");
    $("query-result").hidden = false;
    const empty = h("p", { class: "panel empty" }, "No rows.");
    $("result-rows").replaceChildren(answer.rows.length ? grid(answer, "Rows of the answer", ask) : empty);
    pager($("result-pager"), answer, (offset) => this.run(offset));
    $("result-query").textContent = JSON.stringify({ key: answer.key, query: answer.query }, null, 2);
    this.chart.show(answer);
    if (isNarrow()) $("query-result").scrollIntoView();
  }

  openTab(name) {
    for (const each of TABS) {
      const isOpen = each === name;
      $(`tab-${each}`).setAttribute("aria-selected", String(isOpen));
      $(`tab-${each}`).tabIndex = isOpen ? 0 : -1;
      $(`result-${each}`).hidden = !isOpen;
    }
    if (name === "chart") this.chart.draw();
  }

  async download() {
    const button = $("query-csv");
    const { key, query } = this.answer;
    button.disabled = true;
    try {
      const address = URL.createObjectURL(await csv(key, query));
      h("a", { href: address, download: `${key.slice(0, 80)}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      say($("query-error"), failure.message);
    } finally {
      button.disabled = false;
    }
  }

  // -- what was asked before

  remember(entry) {
    const isSame = (each) => each.language === entry.language && each.key === entry.key && each.text === entry.text;
    this.history = [entry, ...this.history.filter((each) => !isSame(each))].slice(0, MOST_HISTORY);
    try {
      sessionStorage.setItem(HISTORY, JSON.stringify(this.history));
    } catch {
      // no storage, or it is full: until the page is loaded anew
    }
    this.drawHistory();
  }

  drawHistory() {
    $("query-history-empty").hidden = this.history.length > 0;
    $("query-history").replaceChildren(...this.history.map((entry) =>
      h("li", {}, h("button", { type: "button", click: () => this.take(entry) },
        h("span", {}, `${entry.language === "sql" ? "SQL" : entry.key} \u00b7 ${count(entry.rows)} rows \u00b7 ${duration(entry.seconds)}`),
        h("code", {}, h("bdi", {}, entry.text.slice(0, 300)))))));
  }
}

const isNarrow = () => matchMedia("(max-width: 900px)").matches;

function parsed(text, key) {
  if (!key) throw new Failure("Say which table the query is about.");
  try {
    return JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw new Failure(`That is no JSON: ${error.message}`);
  }
}

function storedHistory() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(HISTORY));
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

async function quietly(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
