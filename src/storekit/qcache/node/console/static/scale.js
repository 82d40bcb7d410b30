// Round numbers for axes, and where on them values are.

// Returns bounds and a step of 1, 2 or 5 times a power of ten around two values.
export function nice(low, high, most = 6) {
  if (!(low < high)) {
    const around = Number.isFinite(low) ? Math.abs(low) || 1 : 1;
    low = Number.isFinite(low) ? low - around / 2 : 0;
    high = low + around;
  }
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough * 0.999) * power;
  return { low: Math.floor(low / step) * step, high: Math.ceil(high / step) * step, step };
}

export function ticks(low, high, step, most) {
  while ((high - low) / step > Math.max(most, 1)) step *= 2;
  const found = [];
  for (let number = Math.ceil(low / step - 1e-9); number * step <= high + step * 1e-9; number += 1) {
    found.push(number * step);
  }
  return found;
}

export function placed(low, high, from, to) {
  return (value) => (high > low ? from + ((value - low) / (high - low)) * (to - from) : (from + to) / 2);
}

const brief = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

// As short as it can be; next to a step, no finer than that.
export function written(value, step = undefined) {
  const size = Math.abs(value);
  if (step !== undefined && size < step / 1e6) return "0";
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(2);
  return size >= 1e6 ? brief.format(value) : plain.format(value);
}
