// The rows of an answer as bars or lines, by choice of columns.

import { h, svg, visible } from "./dom.js";
import { count } from "./format.js";
import { nice, placed, ticks, written } from "./scale.js";

const MOST_BARS = 60; // rows
const MOST_SERIES = 6;
const DATE = /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

const isNumber = (column) => column.type === "int" || column.type === "float";

export class ChartView {
  constructor(place) {
    this.place = place;
    this.kind = "bars";
    this.controls = h("div", { class: "controls" });
    this.figure = h("figure", { class: "panel chart" });
    place.append(this.controls, this.figure);
    new ResizeObserver(() => this.drawIfWider()).observe(place);
  }

  show(answer) {
    const names = answer.columns.map((column) => column.name).join("\n");
    this.answer = answer;
    if (names !== this.names) {
      this.names = names;
      const numbers = answer.columns.map((column, place) => (isNumber(column) ? place : -1)).filter((place) => place >= 0);
      const label = answer.columns.findIndex((column) => !isNumber(column));
      this.x = label >= 0 ? label : numbers.length > 1 ? numbers[0] : -1;
      this.ys = numbers.filter((place) => place !== this.x).slice(0, 1);
      this.kind = this.isTime() || (label < 0 && answer.rows.length > MOST_BARS) ? "line" : "bars";
    }
    this.drawControls();
    this.draw();
  }

  isTime() {
    const values = this.answer.rows.map((row) => row[this.x]).filter((value) => value !== null);
    return values.length > 1 && values.every((value) => typeof value === "string" && DATE.test(value));
  }

  drawControls() {
    const { columns } = this.answer;
    const kind = h("select", { id: "chart-kind", change: (event) => this.choose({ kind: event.target.value }) },
      [["bars", "Bars"], ["line", "Lines"]].map(([value, title]) => h("option", { value, selected: value === this.kind }, title)));
    const x = h("select", { id: "chart-x", change: (event) => this.choose({ x: Number(event.target.value) }) },
      h("option", { value: "-1", selected: this.x === -1 }, "row number"),
      columns.map((column, place) => h("option", { value: place, selected: place === this.x }, brief(column.name))));
    const numbers = [...columns.entries()].filter(([, column]) => isNumber(column)).slice(0, 40);
    const ys = numbers.map(([place, column]) =>
      h("label", { class: "check" },
        h("input", { type: "checkbox", value: place, checked: this.ys.includes(place), change: (event) => this.toggle(place, event.target) }),
        h("bdi", {}, visible(brief(column.name)))));
    this.controls.replaceChildren(
      h("label", {}, h("span", {}, "As"), kind),
      h("label", {}, h("span", {}, "By"), x),
      h("fieldset", { id: "chart-ys" }, h("legend", {}, "Values"), ys.length ? ys : h("span", { class: "hint" }, "no column of numbers")));
  }

  choose(change) {
    Object.assign(this, change);
    this.draw();
  }

  toggle(place, box) {
    if (box.checked && this.ys.length >= MOST_SERIES) box.checked = false;
    else this.ys = box.checked ? [...this.ys, place] : this.ys.filter((each) => each !== place);
    this.draw();
  }

  drawIfWider() {
    if (this.place.clientWidth !== this.width) this.draw();
  }

  draw() {
    this.width = this.place.clientWidth;
    if (this.answer === undefined || this.place.hidden || this.width === 0) return;
    const { columns, rows } = this.answer;
    if (!this.ys.length || !rows.length) {
      this.figure.replaceChildren(h("p", { class: "empty" }, rows.length ? "Choose a column of numbers." : "No rows."));
      return;
    }
    const series = this.ys.map((place) => ({ name: columns[place].name, values: rows.map((row) => numeric(row[place])) }));
    const label = this.x < 0 ? (_, place) => String(this.answer.offset + place + 1) : (row) => textOf(row[this.x]);
    const names = rows.map(label);
    const by = this.x < 0 ? "row number" : columns[this.x].name;
    const draw = this.kind === "bars" ? bars : lines;
    const room = { width: this.figure.clientWidth || this.width };
    const xs = this.kind === "line" ? this.places(rows) : null;
    this.figure.replaceChildren(...legend(series), ...draw({ series, names, by, xs, ...room }));
  }

  // Where on the axis each row is: by number, by time, or by its place.
  places(rows) {
    if (this.x < 0) return { kind: "row", at: rows.map((_, place) => this.answer.offset + place + 1) };
    const values = rows.map((row) => row[this.x]);
    if (isNumber(this.answer.columns[this.x])) return { kind: "number", at: values.map(numeric) };
    if (this.isTime()) return { kind: "time", at: values.map((value) => (value === null ? null : timeOf(value))) };
    return { kind: "name", at: values.map((_, place) => place) };
  }
}

// Without a zone, a time is what it says: as if of UTC, so that no hour is missing or twice.
function timeOf(text) {
  const zoned = /Z|[+-]\d\d:?\d\d$/.test(text.slice(10)) || text.length === 10;
  return Date.parse(zoned ? text : `${text.replace(" ", "T")}Z`);
}

function numeric(value) {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

function textOf(value) {
  if (value === null) return "null";
  return typeof value === "object" ? `${value.cut}\u2026` : String(value);
}

function brief(text, most = 40) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}\u2026`;
}

function legend(series) {
  if (series.length < 2) return [];
  return [h("ul", { class: "legend" }, series.map((each, place) =>
    h("li", { class: `series-${place}` }, h("bdi", {}, visible(brief(each.name))))))];
}

// -- bars: from left to right, so that each has room for its name

function bars({ series, names, by, width }) {
  const shown = names.slice(0, MOST_BARS);
  const all = series.flatMap((each) => each.values.slice(0, MOST_BARS)).filter((value) => value !== null);
  const { low, high, step } = nice(Math.min(0, ...all), Math.max(0, ...all));
  const longest = Math.max(...shown.map((name) => brief(name, 24).length), 4);
  const left = Math.min(longest * 7.2 + 14, width * 0.38);
  const right = 64;
  const thick = series.length === 1 ? 18 : 11;
  const band = thick * series.length + 10;
  const top = 8;
  const height = top + band * shown.length + 28;
  const x = placed(low, high, left, width - right);
  const parts = axis(ticks(low, high, step, (width - left - right) / 70), x, top, height - 24, step);
  for (const [row, name] of shown.entries()) {
    const y = top + row * band;
    parts.push(nameOf(brief(name, Math.max(Math.floor((left - 14) / 7), 4)), left - 8, y + band / 2, name));
    for (const [place, each] of series.entries()) {
      const value = each.values[row];
      if (value === null) continue;
      const [from, to] = [x(Math.min(value, 0)), x(Math.max(value, 0))];
      const at = y + 5 + place * thick;
      parts.push(
        svg("rect", { class: `bar series-${place}`, x: from, y: at, width: Math.max(to - from, 1), height: thick - 2, rx: 2, "data-value": value, "data-name": name.slice(0, 300) },
          svg("title", {}, `${brief(name, 300)}: ${value}`)),
        svg("text", { class: "amount", x: to + 5, y: at + thick / 2 - 1, "dominant-baseline": "central" }, written(value)));
    }
  }
  parts.push(svg("line", { class: "base", x1: x(0), x2: x(0), y1: top, y2: height - 24 }));
  const what = `${series.map((each) => each.name).join(", ")} by ${by}`;
  const drawn = picture(width, height, `Bars: ${what}. The table has the same values.`, parts);
  if (shown.length === names.length) return [drawn];
  return [drawn, h("figcaption", { class: "hint" }, `The first ${MOST_BARS} of ${count(names.length)} rows. Group or limit the query for fewer.`)];
}

function nameOf(text, x, y, whole) {
  return svg("text", { class: "name", x, y, "text-anchor": "end", "dominant-baseline": "central", direction: "ltr" },
    svg("title", {}, brief(whole, 300)), visible(text).map((part) => (typeof part === "string" ? part : part.textContent)).join(""));
}

function axis(at, x, top, bottom, step) {
  return at.flatMap((value) => [
    svg("line", { class: "grid-line", x1: x(value), x2: x(value), y1: top, y2: bottom }),
    svg("text", { class: "tick", x: x(value), y: bottom + 16, "text-anchor": "middle" }, written(value, step)),
  ]);
}

// -- lines

function lines({ series, names, by, xs, width }) {
  const height = Math.max(220, Math.min(360, width * 0.45));
  const order = xs.at.map((at, row) => ({ at, row })).filter(({ at }) => at !== null && !Number.isNaN(at));
  order.sort((one, other) => one.at - other.at);
  if (!order.length) return [h("p", { class: "empty" }, "No value to draw a line along.")];
  const all = series.flatMap((each) => each.values).filter((value) => value !== null);
  const { low, high, step } = nice(Math.min(...all, Infinity), Math.max(...all, -Infinity));
  const yTicks = ticks(low, high, step, height / 40);
  const left = Math.max(...yTicks.map((value) => written(value, step).length)) * 7 + 16;
  const [top, bottom, right] = [10, height - 28, width - 16];
  const x = placed(order[0].at, order.at(-1).at, left, right);
  const y = placed(low, high, bottom, top);
  const parts = yTicks.flatMap((value) => [
    svg("line", { class: "grid-line", x1: left, x2: right, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: left - 8, y: y(value), "text-anchor": "end", "dominant-baseline": "central" }, written(value, step)),
  ]);
  parts.push(...below(order, names, xs.kind, x, height, right - left));
  for (const [place, each] of series.entries()) {
    let path = "";
    let draws = false;
    for (const { at, row } of order) {
      const value = each.values[row];
      if (value !== null) path += `${draws ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}${draws ? "" : "h0.01"}`;
      draws = value !== null;
    }
    parts.push(svg("path", { class: `line series-${place}`, d: path, "data-name": each.name.slice(0, 300) }));
  }
  const what = `${series.map((each) => each.name).join(", ")} by ${by}`;
  const drawn = picture(width, height, `Lines: ${what}. The table has the same values. Left and right arrow read them.`, parts);
  return reader(drawn, { order, series, names, x, y, top, bottom });
}

function below(order, names, kind, x, height, room) {
  const most = Math.max(Math.floor(room / 100), 2);
  const label = (at, text, anchor = "middle") =>
    svg("text", { class: "tick", x: x(at), y: height - 8, "text-anchor": anchor }, text);
  if (kind === "number" || kind === "row") {
    const [from, to] = [order[0].at, order.at(-1).at];
    const { step } = nice(from, to, most);
    return ticks(from, to, step, most).map((value) => label(value, written(value, step)));
  }
  const found = [];
  let end = -Infinity; // of the label before
  for (const [place, { at, row }] of order.entries()) {
    const text = brief(names[row], 14);
    const half = text.length * 3.6;
    const isFirst = place === 0;
    const from = isFirst ? x(at) : x(at) - half;
    if (from < end + 14 || (!isFirst && x(at) + half > x(order.at(-1).at) + 12)) continue;
    found.push(label(at, text, isFirst ? "start" : "middle"));
    end = from + 2 * half;
  }
  return found;
}

// Tells the values nearest to the pointer, or those that the arrows have reached.
function reader(drawn, { order, series, names, x, y, top, bottom }) {
  const mark = svg("line", { class: "mark", y1: top, y2: bottom, visibility: "hidden" });
  const dots = series.map((_, place) => svg("circle", { class: `dot series-${place}`, r: 3.5, visibility: "hidden" }));
  const reading = h("figcaption", { class: "hint reading", "aria-live": "polite" }, "\u00a0");
  drawn.append(mark, ...dots);
  drawn.setAttribute("tabindex", "0");
  let place = -1;
  const go = (next) => {
    place = Math.min(Math.max(next, 0), order.length - 1);
    const { at, row } = order[place];
    mark.setAttribute("visibility", "visible");
    for (const name of ["x1", "x2"]) mark.setAttribute(name, x(at));
    const values = series.map((each, number) => {
      const value = each.values[row];
      dots[number].setAttribute("visibility", value === null ? "hidden" : "visible");
      if (value !== null) {
        dots[number].setAttribute("cx", x(at));
        dots[number].setAttribute("cy", y(value));
      }
      return [h("bdi", {}, visible(brief(each.name))), ` ${value === null ? "null" : value}`];
    });
    reading.replaceChildren(h("bdi", {}, visible(brief(names[row]))), ": ", ...values.flatMap((each, number) => (number ? [", ", ...each] : each)));
  };
  drawn.addEventListener("pointermove", (event) => {
    const at = event.clientX - drawn.getBoundingClientRect().left;
    const distance = (each) => Math.abs(x(each.at) - at);
    go(order.reduce((best, each, number) => (distance(each) < distance(order[best]) ? number : best), 0));
  });
  drawn.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    go(place < 0 ? 0 : place + step);
  });
  return [drawn, reading];
}

function picture(width, height, label, parts) {
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
}
