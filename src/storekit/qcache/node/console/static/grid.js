// Rows as a table, and one long cell as a whole.

import { Failure, post } from "./asking.js";
import { $, h, named, visible } from "./dom.js";
import { count, many } from "./format.js";

const SHOWN = 60; // characters of a cell; the rest is behind a button
const NUMBERS = new Set(["int", "float"]);

// `ask` is what a cell can be asked for with: path and question.
export function grid(answer, label, ask) {
  const classes = answer.columns.map((column) => (NUMBERS.has(column.type) ? "number" : null));
  const titles = answer.columns.map((column, place) =>
    h("th", { scope: "col", class: classes[place] }, h("bdi", {}, named(column.name)), h("small", {}, column.type)),
  );
  const rows = answer.rows.map((row, place) =>
    h("tr", {},
      h("th", { scope: "row", class: "place" }, count(answer.offset + place + 1)),
      row.map((value, column) =>
        h("td", { class: classes[column] }, shown(value, () => openCell(answer, place, column, ask)))),
    ),
  );
  const corner = h("td", { class: "place" });
  return h("div", { class: "panel scroll", role: "region", "aria-label": label, tabindex: "0" },
    h("table", { class: "grid" },
      h("thead", {}, h("tr", {}, corner, titles)), h("tbody", {}, rows)),
  );
}

function shown(value, open) {
  if (value === null) return h("span", { class: "null" }, "null");
  if (typeof value === "object") return cut(value.cut, value.length, open);
  if (typeof value !== "string") return String(value);
  if (value === "") return h("span", { class: "null", title: "text without characters" }, "\u201c\u201d");
  return value.length <= SHOWN ? h("bdi", {}, visible(value)) : cut(value, value.length, open);
}

function cut(text, length, open) {
  const start = [...text.slice(0, 2 * SHOWN)].slice(0, SHOWN).join("");
  const label = `Show all ${count(length)} characters`;
  return h("div", { class: "cut" },
    h("bdi", {}, visible(start)),
    h("button", { type: "button", class: "more", title: label, "aria-label": label, click: open }, "\u2026"));
}

// What is shown of an answer, in words; without `always`, only what is not all of it.
export function describe({ offset, rows, total, columns, width }, always = true) {
  const parts = [];
  if (rows.length < total) {
    parts.push(rows.length ? `rows ${count(offset + 1)} to ${count(offset + rows.length)} of ${count(total)}` : `none of ${many(total, "row")}`);
  } else if (always) {
    parts.push(many(total, "row"));
  }
  if (columns.length < width) parts.push(`${count(columns.length)} of ${count(width)} columns`);
  return parts;
}

// Previous and next rows; nothing where all are shown.
export function pager(place, answer, go) {
  const before = answer.offset > 0;
  const after = answer.offset + answer.rows.length < answer.total && answer.rows.length > 0;
  const size = Math.max(answer.rows.length, 1);
  place.hidden = !before && !after;
  place.replaceChildren(
    h("button", { type: "button", class: "button", disabled: !before, click: () => go(Math.max(answer.offset - size, 0)) }, "Previous"),
    h("button", { type: "button", class: "button", disabled: !after, click: () => go(answer.offset + answer.rows.length) }, "Next"),
  );
}

// -- one cell

async function openCell(answer, row, column, ask) {
  const dialog = $("cell-dialog");
  const text = $("cell-text");
  $("cell-title").firstChild.replaceChildren(...named(answer.columns[column].name));
  text.replaceChildren();
  $("cell-size").textContent = "";
  dialog.showModal();
  const value = answer.rows[row][column];
  if (typeof value === "string") {
    $("cell-more").hidden = true;
    $("cell-size").textContent = many(value.length, "character");
    text.replaceChildren(...visible(value, true));
    return;
  }
  const question = { ...ask.question, offset: answer.offset + row, limit: 1, column };
  let start = 0;
  const go = async () => {
    try {
      const piece = await post(ask.path, { ...question, start });
      const got = piece.text ?? "";
      start += [...got].length;
      text.append(...visible(got, true));
      $("cell-size").textContent =
        start < piece.length ? `${count(start)} of ${many(piece.length, "character")}` : many(piece.length, "character");
      $("cell-more").hidden = start >= piece.length;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      $("cell-size").textContent = error.message;
    }
  };
  $("cell-more").onclick = go;
  await go();
}
