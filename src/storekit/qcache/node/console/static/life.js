// What the node does, as small plots that move. The node tells counters that only grow; what is
// drawn are their differences, so any number of pages can look without getting in each other's way.

import { Failure, read } from "./asking.js";
import { $, h, svg } from "./dom.js";
import { briefCount, bytes, duration } from "./format.js";

const EVERY = 2000; // milliseconds
const FIRST = 700;
const KEPT = 90; // samples, so three minutes

const WIDTH = 240;
const HEIGHT = 44;

const rate = (name) => (now, before, seconds) => (now[name] - before[name]) / seconds;
const perSecond = (value) => `${briefCount(value)}/s`;

// Each plot: its lines, how a value is written, and what is said below.
const PLOTS = [
  {
    title: "Hits",
    lines: [["hits", rate("hits")], ["misses", rate("misses")]],
    written: perSecond,
    below: (now) => `${briefCount(now.hits)} hits, ${briefCount(now.misses)} misses`,
  },
  {
    title: "Latency",
    lines: [["median", quantile("queries", 0.5)], ["99 %", quantile("queries", 0.99)]],
    written: duration,
    below: (now) => `of ${briefCount(total(now.queries))} queries`,
  },
  {
    title: "Stores",
    lines: [["tables", rate("stored")]],
    written: perSecond,
    below: (now) => `${briefCount(now.stored)} tables stored`,
  },
  {
    title: "Evictions",
    lines: [["for room", rate("evicted_by_size")], ["by age", rate("evicted_by_age")]],
    written: perSecond,
    below: (now) => `${briefCount(now.evicted_by_size)} for room, ${briefCount(now.evicted_by_age)} by age`,
  },
  {
    title: "Queue",
    lines: [["working", (now) => now.working], ["waiting", (now) => now.waiting]],
    written: briefCount,
    below: () => "requests right now",
  },
  {
    title: "Memory",
    lines: [["tables", (now) => now.memory]],
    written: bytes,
    most: (now) => now.size,
    below: (now) => `of ${bytes(now.size)}`,
  },
];

function total(counts) {
  return counts.reduce((sum, each) => sum + each, 0);
}

// Returns what estimates a quantile of the durations between two samples; null if there are none.
function quantile(name, part) {
  return (now, before) => {
    const counts = now[name].map((each, place) => each - before[name][place]);
    let left = part * total(counts);
    if (left <= 0) return null;
    for (const [place, each] of counts.entries()) {
      const from = place ? now.bounds[place - 1] : 0;
      const to = now.bounds[place] ?? 2 * from;
      if (left <= each) return from + (to - from) * (left / each);
      left -= each;
    }
    return null;
  };
}

export class Life {
  constructor(onSample) {
    this.onSample = onSample; // is called with each sample, and with null where the node does not answer
    this.before = null;
    this.plots = PLOTS.map((plot) => new Plot(plot));
    $("life").replaceChildren(...this.plots.map((plot) => plot.figure));
    document.addEventListener("visibilitychange", () => this.wake());
  }

  start() {
    this.sample();
  }

  wake() {
    if (!document.hidden && this.timer === null) this.sample();
  }

  async sample() {
    this.timer = undefined;
    const first = this.before === null;
    try {
      this.add(await read("life"));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.before = null; // it may have been started anew: there is no difference to be taken
      this.onSample(null, error);
    } finally {
      this.timer = document.hidden ? null : setTimeout(() => this.sample(), first ? FIRST : EVERY);
    }
  }

  add(life) {
    const now = { ...life, at: performance.now() / 1000 };
    const before = this.before;
    this.before = now;
    if (before !== null && before.uptime <= now.uptime) {
      const seconds = Math.max(now.at - before.at, 1e-3);
      for (const plot of this.plots) plot.add(now, before, seconds);
    }
    for (const plot of this.plots) plot.tell(now);
    this.onSample(now, null);
  }
}

class Plot {
  constructor(plot) {
    this.plot = plot;
    this.samples = plot.lines.map(() => []);
    this.paths = plot.lines.map((_, place) => svg("path", { class: `line series-${place}` }));
    this.area = svg("path", { class: "area series-0" });
    this.values = plot.lines.map(() => h("b", {}, "\u2013"));
    this.below = h("p", { class: "hint" });
    this.peak = h("span", { class: "peak" });
    const names = plot.lines.map(([name], place) =>
      h("span", { class: `value series-${place}` }, this.values[place], h("span", { class: "name" }, name)));
    this.figure = h("figure", { class: "panel plot" },
      h("figcaption", {}, h("span", {}, plot.title), this.peak),
      h("p", { class: "values" }, names),
      svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        this.area, this.paths),
      this.below);
  }

  add(now, before, seconds) {
    for (const [place, [, value]] of this.plot.lines.entries()) {
      const samples = this.samples[place];
      samples.push(value(now, before, seconds));
      if (samples.length > KEPT) samples.shift();
      const last = samples.at(-1);
      this.values[place].textContent = last === null ? "\u2013" : this.plot.written(last);
    }
    this.draw(now);
  }

  tell(now) {
    this.below.textContent = this.plot.below(now);
  }

  draw(now) {
    const all = this.samples.flat().filter((value) => value !== null);
    const peak = Math.max(...all, 0);
    const most = this.plot.most ? this.plot.most(now) : peak;
    this.peak.textContent = this.plot.most || peak === 0 ? "" : `peak ${this.plot.written(peak)}`;
    for (const [place, samples] of this.samples.entries()) {
      this.paths[place].setAttribute("d", line(samples, most));
    }
    const [samples] = this.samples;
    const whole = samples.every((value) => value !== null);
    this.area.setAttribute("d", whole && samples.length > 1 ? `${line(samples, most)}V${HEIGHT}H${x(samples, 0)}Z` : "");
  }
}

function x(samples, place) {
  return WIDTH - ((samples.length - 1 - place) * WIDTH) / (KEPT - 1);
}

// The newest sample is at the right end; where there is none, the line has a gap.
function line(samples, most) {
  let path = "";
  let draws = false;
  for (const [place, value] of samples.entries()) {
    if (value === null) {
      draws = false;
      continue;
    }
    const y = HEIGHT - 2 - (most > 0 ? Math.min(value / most, 1) : 0) * (HEIGHT - 6);
    path += `${draws ? "L" : "M"}${x(samples, place).toFixed(1)} ${y.toFixed(1)}`;
    if (!draws) path += `h0.01`; // a lone sample is a dot
    draws = true;
  }
  return path;
}
