// Elements and text. Whatever comes from tables becomes text nodes here, and nothing else.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Characters that are not seen, or that change the order of those around them. Marks that words
// and emoji are made with (U+200C, U+200D) stay.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const UNSEEN_BUT_BREAKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

// Returns text as nodes in which such characters have a sign; with `breaks`, lines are lines.
export function visible(text, breaks = false) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(breaks ? UNSEEN_BUT_BREAKS : UNSEEN)) {
    if (match.index > end) nodes.push(text.slice(end, match.index));
    nodes.push(h("span", { class: "sign", title: codeOf(match[0]) }, signOf(match[0])));
    end = match.index + match[0].length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}

const CONTROLS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS \u21e5 \u21b5 VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(" ");

function signOf(character) {
  const code = character.codePointAt(0);
  return CONTROLS[code] ?? (code === 0x7f ? "DEL" : codeOf(character));
}

function codeOf(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// Returns the name of a column as nodes.
export function named(name) {
  return name === "" ? [h("span", { class: "null" }, "no name")] : visible(name);
}

// Shows a message, or hides its place.
export function say(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}
