// The twin of fuzzydiff_lite/noise.py: the same numbers in a browser. Number `index` of draw `draw` of stream `stream`
// is a hash of (seed, branch, draw, stream, index) and nothing else.
const GOLDEN = 0x9e3779b9; // 2^32 / golden ratio: spreads neighbouring counters over all bits

/** Mix the bits of a 32-bit integer. Source: C. Wellons' search for low-bias integer hashes (2018, public domain). */
export function hash32(h) {
  h ^= h >>> 16;
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

function key(...counters) {
  return counters.reduce((k, counter) => hash32((k ^ counter) + GOLDEN), 0);
}

/**
 * `count` standard normal numbers as a Float32Array: what `Noise(seed)` gives for picture `stream` in its call `draw`.
 * The first half are the cosines of Box-Muller, the second half the sines. `branch` is the key of a branch: 0, or
 * `branchKey(parent, number)`.
 */
export function standardNormal(seed, stream, draw, count, branch = 0) {
  const k = key(seed, branch, draw, stream);
  const pairs = Math.ceil(count / 2);
  const numbers = new Float32Array(2 * pairs);
  for (let i = 0; i < pairs; i++) {
    const first = hash32(Math.imul(2 * i, GOLDEN) ^ k);
    const second = hash32(Math.imul(2 * i + 1, GOLDEN) ^ k);
    const radius = Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32)); // first + 1: never the log of 0
    const angle = second * ((2 * Math.PI) / 2 ** 32);
    numbers[i] = radius * Math.cos(angle);
    numbers[pairs + i] = radius * Math.sin(angle);
  }
  return numbers.subarray(0, count);
}

/** The key of `Noise.branch(number)` of a source whose own key is `parent`. */
export function branchKey(parent, number) {
  return key(parent, number);
}

/** The source of noise for picture `stream`: each call draws anew. Throws for a seed that is no whole number >= 0. */
export class Noise {
  #draws = 0;

  constructor(seed, stream = 0, branch = 0) {
    if (!Number.isInteger(seed) || seed < 0) {
      throw new RangeError(`seed must be a whole number of at least 0, got ${seed}`);
    }
    Object.assign(this, { seed, stream, key: branch });
  }

  /** An independent source: same seed and stream, other noise. */
  branch(number) {
    return new Noise(this.seed, this.stream, branchKey(this.key, number));
  }

  /** The next draw: `count` numbers. */
  draw(count) {
    return standardNormal(this.seed, this.stream, this.#draws++, count, this.key);
  }

  /** The next draw, as long as `x`. */
  like(x) {
    return this.draw(x.length);
  }
}
