// Numbers as people read them.

const whole = new Intl.NumberFormat("en");
const brief = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const count = (value) => whole.format(value);

export const briefCount = (value) => (value < 1000 ? short.format(value) : brief.format(value));

const briefer = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 2 });

export const briefest = (value) => (value < 1000 ? short.format(value) : briefer.format(value));

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (value >= 999.5 && place < units.length - 1) {
    value /= 1000;
    place += 1;
  }
  return `${short.format(value)} ${units[place]}`;
}

export function duration(seconds) {
  if (seconds < 0.9995e-3) return `${short.format(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${short.format(seconds * 1e3)} ms`;
  if (seconds < 60) return `${short.format(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${whole.format(Math.floor(seconds / 86400))} d`;
}

export const age = (seconds) => (seconds < 1 ? "now" : duration(Math.floor(seconds)));

export const many = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;
