// Which view is shown, the keys, dark and light, and how the node is.

import { $ } from "./dom.js";
import { bytes, duration } from "./format.js";
import { Life } from "./life.js";
import { QueryView } from "./query.js";
import { TableList, TableView } from "./tables.js";

const list = new TableList();
const table = new TableView();
const query = new QueryView();

// -- views

function route() {
  const [path, values] = location.hash.replace(/^#/, "").split("?");
  const [, view, key] = path.split("/");
  const name = view === "query" ? "query" : view === "tables" && key ? "table" : "node";
  for (const each of ["node", "table", "query"]) $(`view-${each}`).hidden = each !== name;
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.dataset.view === name || (name === "table" && link.dataset.view === "node");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "node") list.show();
  else list.hide();
  if (name === "table") table.show(decoded(key));
  if (name === "query") query.show(new URLSearchParams(values).get("table"));
  const title = { node: "Tables", table: decoded(key ?? ""), query: "Query" }[name];
  document.title = `${title.slice(0, 80)} \u2013 QCache node`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

window.addEventListener("hashchange", () => {
  route();
  $("main").focus(); // what reads the page aloud goes on with the new view
  window.scrollTo(0, 0);
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});

// -- keys

const KEYS = {
  t: () => (location.hash = "#/"),
  q: () => (location.hash = "#/query"),
  d: () => turnTheme(),
  "?": () => $("help-dialog").showModal(),
  "/": () => {
    location.hash = "#/";
    route();
    $("tables-search").focus();
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!$("help-single").checked || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = KEYS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});

const kept = {
  get: (name) => {
    try {
      return localStorage.getItem(`qcache-console-${name}`);
    } catch {
      return null; // no storage: for this page only
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(`qcache-console-${name}`, value);
    } catch {
      // the same
    }
  },
};

$("help").addEventListener("click", KEYS["?"]);
$("help-single").checked = kept.get("keys") !== "off";
$("help-single").addEventListener("change", (event) => kept.set("keys", event.target.checked ? "on" : "off"));

// -- dark and light

const THEMES = ["system", "dark", "light"];

function turnTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  kept.set("theme", next);
  tellTheme();
}

function tellTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const name = { system: "Auto", dark: "Dark", light: "Light" }[theme];
  $("theme").firstChild.textContent = `\u25d0 ${name} `;
  $("theme").setAttribute("aria-label", `Theme: ${name}. Press for the next one.`);
}

$("theme").append("", Object.assign(document.createElement("kbd"), { textContent: "d" }));
$("theme").addEventListener("click", turnTheme);
tellTheme();

// -- how the node is

function tell(life, failure) {
  const state = $("state");
  state.classList.toggle("bad", life === null);
  state.textContent = life === null ? "no answer" : life.state === "ready" ? "live" : life.state;
  state.title = failure === null ? "" : failure.message;
  if (life === null) return;
  $("foot").textContent = [
    `storekit ${life.version}`, `up ${duration(Math.floor(life.uptime))}`, `${bytes(life.size)} for tables`,
  ].join("  \u00b7  ");
  query.know(life);
}

$("place").textContent = location.host;
new Life(tell).start();
route();
