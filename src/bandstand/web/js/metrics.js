// Reads Prometheus' text format, and computes from counters what happened between two readings.

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/** The samples of a text: name, labels, value. */
export function parse(text) {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return lines
    .map((line) => {
      const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
      return {
        name,
        labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, text]) => [key, text])),
        value: Number(value?.replace("Inf", "Infinity")),
      };
    })
    .filter(({ name }) => name);
}

/** What was counted between two readings; `before` is null for all that was ever counted. */
export class Counted {
  #now;
  #before;

  constructor(now, before = null) {
    this.#now = now;
    this.#before = new Map(before?.map((sample) => [keyOf(sample), sample.value]));
  }

  /** The growth of a counter, over all labels that are not given. */
  of(name, labels = {}) {
    return this.#matching(name, labels).reduce((sum, sample) => sum + this.#growth(sample), 0);
  }

  /** The growth of a counter by the values of one label. */
  by(name, label, labels = {}) {
    const sums = new Map();
    for (const sample of this.#matching(name, labels))
      sums.set(sample.labels[label], (sums.get(sample.labels[label]) ?? 0) + this.#growth(sample));
    return sums;
  }

  /** The present value of a gauge. */
  gauge(name) {
    return this.#matching(name, {})[0]?.value ?? NaN;
  }

  /**
   * The q-quantile of a histogram, as Prometheus' histogram_quantile: linear inside the bucket that holds it, the lower
   * bound of the last bucket where it lies beyond; NaN where nothing was counted.
   */
  quantile(name, q, labels = {}) {
    const buckets = [...this.by(`${name}_bucket`, "le", labels)].map(([le, count]) => [
      Number(le.replace("+Inf", "Infinity")),
      count,
    ]);
    buckets.sort((a, b) => a[0] - b[0]);
    const rank = q * (buckets.at(-1)?.[1] ?? 0);
    if (!(rank > 0)) return NaN;
    let [low, below] = [0, 0];
    for (const [high, count] of buckets) {
      if (count >= rank) return high === Infinity ? low : low + ((high - low) * (rank - below)) / (count - below);
      [low, below] = [high, count];
    }
    return NaN;
  }

  #matching(name, labels) {
    return this.#now.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
    );
  }

  /** A counter that is smaller than before began anew with its process. */
  #growth(sample) {
    const before = this.#before.get(keyOf(sample)) ?? 0;
    return sample.value >= before ? sample.value - before : sample.value;
  }
}

const keyOf = ({ name, labels }) => `${name} ${JSON.stringify(labels)}`;
