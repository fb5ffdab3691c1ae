// The twins of fuzzydiff_lite/walk.py, steps.py and five of samplers/: the same pictures in a browser, one at a time.
//
// A picture is a Float32Array, colour after colour, of prior.shape = [3, height, width], in [-1, 1] at level 0. A map
// has a number for each pixel: 1 = keep the given picture, 0 = hallucinate. `prior.predict(x, t)` promises the expected
// clean picture of x at level t, not clipped, and `prior.variance` is that of its pictures. `noise` is a Noise. Each
// sampler is an async generator that yields a step after each call of the prior: the `number` of the call, `of` how
// many, the `level` reached, the picture `x` there, which the sampler goes on with, and the clean picture `x0` that was
// predicted. It throws a RangeError for what its twin refuses.
export { Noise } from "./noise.js";

const T = 1000;

/** Schedule.linear().alpha_bar: what is left of a picture at each of the levels 0..T. */
export const alphaBar = new Float64Array(T + 1).fill(1);
for (let t = 1; t <= T; t++) alphaBar[t] = alphaBar[t - 1] * (1 - (1e-4 + ((0.02 - 1e-4) * (t - 1)) / (T - 1)));

function demand(holds, message) {
  if (!holds) throw new RangeError(message);
}

function roundHalfToEven(x) {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 ? up - 1 : up;
}

/** Schedule.levels(steps), spaced uniformly: `steps` + 1 of them, falling from T to 0. */
export function levels(steps) {
  const fits = Number.isInteger(steps) && 1 <= steps && steps <= T;
  demand(fits, `steps must be a whole number between 1 and ${T}, got ${steps}`);
  return Array.from({ length: steps + 1 }, (_, k) => Math.max(steps - k, roundHalfToEven(T * ((steps - k) / steps))));
}

/**
 * The walk down `levels` in which stretches of `jump` steps are walked `repeats` times, as moves { t, s, left }: from
 * level t to level s, with `left` calls of the prior still to come. Eq. (walk), book/fuzzy/fuzzy.
 */
export function travel(levels, repeats = 1, jump = 1) {
  const whole = Number.isInteger(repeats) && Number.isInteger(jump) && repeats >= 1 && jump >= 1;
  demand(whole, `repeats and jump must be whole numbers of at least 1, got ${repeats} and ${jump}`);
  const top = levels.length - 1;
  const fits = repeats === 1 || jump === 1 || jump < top;
  demand(fits, `a jump of ${jump} steps does not fit a walk of ${top}: nothing would be repeated`);
  const rises = new Map(); // position (counted from 0) -> climbs to make
  for (let k = 0; k < top - jump; k += jump) rises.set(1 + k, repeats - 1);
  const moves = [];
  for (let position = top; position > 0; ) {
    moves.push({ t: levels[top - position], s: levels[top - position + 1] });
    position -= 1;
    if (!rises.get(position)) continue;
    rises.set(position, rises.get(position) - 1);
    for (let climb = 0; climb < jump; climb++, position++) {
      moves.push({ t: levels[top - position], s: levels[top - position - 1] });
    }
  }
  let left = 0;
  for (const move of moves.toReversed()) {
    move.left = left;
    left += move.s < move.t;
  }
  return moves;
}

/** The moves of a walk with these settings, and how many calls of the prior they are. */
function walk({ steps, repeats, jump = 1 }) {
  const moves = travel(levels(steps), repeats, jump);
  return [moves, moves[0].left + 1];
}

/** A clean picture taken straight to level t with the noise `eps`. Eq. (reparameterisation), book/prior/forward. */
export function noiseTo(x0, eps, aT) {
  const [kept, level] = [Math.sqrt(aT), Math.sqrt(1 - aT)];
  return x0.map((value, i) => kept * value + level * eps[i]);
}

/** A picture at level s taken up to level t > s with fresh noise `z`. Eq. (forward-between), book/prior/forward. */
export function renoise(x, z, aS, aT) {
  return noiseTo(x, z, aT / aS);
}

/** The noise that `x` at level t > 0 and its clean picture imply. Eq. (eps-from-x0), book/prior/posterior. */
export function epsFromX0(x, x0, aT) {
  const [kept, level] = [Math.sqrt(aT), Math.sqrt(1 - aT)];
  return x.map((value, i) => (value - kept * x0[i]) / level);
}

/**
 * Mean and standard deviation of q(x_s | x_t, x_0) for s < t.
 * Eq. (posterior-mean) and (posterior-variance), book/prior/posterior.
 */
export function posterior(x, x0, aT, aS) {
  const alpha = aT / aS;
  const toX0 = (Math.sqrt(aS) * (1 - alpha)) / (1 - aT);
  const toX = (Math.sqrt(alpha) * (1 - aS)) / (1 - aT);
  return { mean: x.map((value, i) => toX0 * x0[i] + toX * value), std: stdBetween(aT, aS) };
}

/** The standard deviation of the fresh noise in a step of DDPM from level t to s. Eq. (posterior-variance). */
function stdBetween(aT, aS) {
  return Math.sqrt(((1 - aS) / (1 - aT)) * (1 - aT / aS));
}

/** A step of DDPM from level t to s with fresh noise `z`. Eq. (ancestral), book/prior/sampling. */
export function ancestral(x, x0, z, aT, aS) {
  const { mean, std } = posterior(x, x0, aT, aS);
  return mean.map((value, i) => value + std * z[i]);
}

/** A step of DDIM from level t to s with fresh noise `z`. Eq. (ddim) and (ddim-sigma), book/prior/sampling. */
export function ddimStep(x0, eps, z, aT, aS, eta) {
  const [kept, fresh] = [Math.sqrt(aS), eta * stdBetween(aT, aS)];
  const old = Math.sqrt(1 - aS - fresh ** 2);
  return x0.map((value, i) => kept * value + old * eps[i] + fresh * z[i]);
}

/** The picture at level s of clean part `x0`, a share `eta` of its noise fresh. Eq. (churn), book/restoring/ddrm. */
export function mixStep(x0, eps, z, aS, eta) {
  const old = Math.sqrt(1 - eta ** 2);
  return noiseTo(x0, eps.map((value, i) => old * value + eta * z[i]), aS);
}

/**
 * Blend two noisy pictures of one level, with the weights `m` in [0, 1] for `given`. With `rescale`, the distance from
 * `mean` is stretched so that the blend has the noise variance of its parts.
 * Eq. (fused-variance) and (fuzzy-fusion), book/fuzzy/fuzzy.
 */
export function fuse(given, hallucinated, mean, m, rescale = true) {
  const blend = given.map((value, i) => m[i] * value + (1 - m[i]) * hallucinated[i]);
  if (!rescale) return blend;
  return blend.map((value, i) => mean[i] + (value - mean[i]) / Math.sqrt(m[i] ** 2 + (1 - m[i]) ** 2));
}

/**
 * The weight of one fusion, after the step from level t to s, where the whole run is to keep the `share`, a number, of
 * what is given. Eq. (step-pull) and (fusion-weight), book/fuzzy/fuzzy.
 */
export function fusionWeight(share, aT, aS, variance, rescale = true) {
  const pull = (1 - aT / aS) / (aT * variance + 1 - aT); // (step-pull)
  const lost = (share * pull) / (1 - share + share * pull); // 1 - c, for c is nearly 1
  if (!rescale) return lost;
  const across = Math.sqrt(lost * (2 - lost)); // the root of 1 - c^2
  return across / (1 - lost + across);
}

/** AveragePool(factor).project, a function of pictures: every pixel becomes the mean of its block. */
export function averagePool(factor, [colours, height, width]) {
  const fits = Number.isInteger(factor) && factor >= 1 && height % factor === 0 && width % factor === 0;
  demand(fits, `factor must be a whole number that divides ${width}, got ${factor}`);
  const [rows, columns] = [height / factor, width / factor];
  const block = (i) => Math.floor(i / width / factor) * columns + Math.floor((i % width) / factor);
  return (x) => {
    const means = new Float64Array(colours * rows * columns);
    x.forEach((value, i) => (means[block(i)] += value / factor ** 2));
    return x.map((_, i) => means[block(i)]);
  };
}

/** What the prior predicts, x0 clamped to [-1, 1], and the noise that agrees with the clamped picture. */
async function predict(prior, x, t) {
  const x0 = (await prior.predict(x, t)).map((value) => Math.min(1, Math.max(-1, value)));
  return { x0, eps: epsFromX0(x, x0, alphaBar[t]) };
}

function sizeOf(prior) {
  return prior.shape.reduce((size, side) => size * side);
}

function checkPicture(y, prior) {
  demand(y.length === sizeOf(prior), `y must hold ${sizeOf(prior)} numbers, got ${y.length}`);
  demand(y.every((value) => Math.abs(value) <= 1), "y must lie in [-1, 1] and have no NaN"); // false for NaN too
}

/** The map of the pixels for every colour: as long as a picture. */
function checkedMap(map, prior) {
  const [colours, height, width] = prior.shape;
  demand(map.length === height * width, `m must hold ${height * width} numbers, got ${map.length}`);
  demand(map.every((value) => 0 <= value && value <= 1), "m must lie in [0, 1] and have no NaN");
  return Float32Array.from({ length: colours * map.length }, (_, i) => map[i % map.length]);
}

function checkedMask(map, prior) {
  const m = checkedMap(map, prior);
  const sharp = m.every((value) => value === 0 || value === 1);
  demand(sharp, "m must be 0 or 1 everywhere here; samplers.fuzzy takes what lies between");
  return m;
}

function checkEta(eta) {
  demand(0 <= eta && eta <= 1, `eta must be in [0, 1], got ${eta}`);
}

/** samplers.fuzzy; with `share`, the map is the share that the whole run keeps, else the weight of every fusion. */
export async function* fuzzy(prior, y, map, { rescale, share, ...visits }, noise) {
  checkPicture(y, prior);
  const m = checkedMap(map, prior);
  demand(!share || prior.variance > 0, "the variance must be above 0 everywhere and have no NaN");
  const [moves, of] = walk(visits);
  const given = noise.branch(1);
  let x = noise.like(y);
  for (const { t, s, left } of moves) {
    const [aT, aS] = [alphaBar[t], alphaBar[s]];
    if (s > t) {
      x = renoise(x, noise.like(x), aT, aS); // (forward-between)
      continue;
    }
    const { x0 } = await predict(prior, x, t);
    const hallucinated = ancestral(x, x0, noise.like(x), aT, aS); // (ancestral)
    const context = noiseTo(y, given.like(x), aS); // (context)
    const noisy = rescale && s > 0; // at level 0 there is no noise whose variance could be wrong
    const weight = share ? m.map((value) => fusionWeight(value, aT, aS, prior.variance, noisy)) : m;
    const mean = y.map((value) => Math.sqrt(aS) * value);
    x = fuse(context, hallucinated, mean, weight, noisy); // (fuzzy-fusion)
    yield { number: of - left, of, level: s, x, x0 };
  }
}

/** samplers.repaint, for a map of zeros and ones. */
export async function* repaint(prior, y, map, visits, noise) {
  checkPicture(y, prior);
  const m = checkedMask(map, prior);
  const [moves, of] = walk(visits);
  const given = noise.branch(1);
  let x = noise.like(y);
  for (const { t, s, left } of moves) {
    const [aT, aS] = [alphaBar[t], alphaBar[s]];
    if (s > t) {
      x = renoise(x, noise.like(x), aT, aS); // (resampling)
      continue;
    }
    const { x0 } = await predict(prior, x, t);
    const unknown = ancestral(x, x0, noise.like(x), aT, aS); // (ancestral)
    const known = noiseTo(y, given.like(x), aS); // (context)
    x = known.map((value, i) => m[i] * value + (1 - m[i]) * unknown[i]); // (replacement)
    yield { number: of - left, of, level: s, x, x0 };
  }
}

/** samplers.ddnm of what Inpaint(map) measures of the picture, without noise, for a map of zeros and ones. */
export async function* ddnm(prior, y, map, { eta, ...visits }, noise) {
  checkPicture(y, prior);
  const m = checkedMask(map, prior);
  checkEta(eta);
  const [moves, of] = walk(visits);
  let x = noise.like(y);
  for (const { t, s, left } of moves) {
    const [aT, aS] = [alphaBar[t], alphaBar[s]];
    if (s > t) {
      x = renoise(x, noise.like(x), aT, aS); // (forward-between)
      continue;
    }
    const { x0, eps } = await predict(prior, x, t);
    const consistent = x0.map((value, i) => value + m[i] * y[i] - m[i] * value); // (null-space-guess)
    x = mixStep(consistent, eps, noise.like(x), aS, eta);
    yield { number: of - left, of, level: s, x, x0 };
  }
}

/** samplers.ilvr with AveragePool(scale).project for its low-pass; it takes no map. */
export async function* ilvr(prior, y, map, { scale, until, ...visits }, noise) {
  checkPicture(y, prior);
  const lowPass = averagePool(scale, prior.shape);
  demand(Number.isInteger(until) && 0 <= until && until <= T, `until must be a level between 0 and ${T}, got ${until}`);
  const [moves, of] = walk(visits);
  const given = noise.branch(1);
  let x = noise.like(y);
  for (const { t, s, left } of moves) {
    const [aT, aS] = [alphaBar[t], alphaBar[s]];
    if (s > t) {
      x = renoise(x, noise.like(x), aT, aS); // (forward-between)
      continue;
    }
    const { x0 } = await predict(prior, x, t);
    x = ancestral(x, x0, noise.like(x), aT, aS); // (ancestral)
    if (s >= until) {
      const reference = noiseTo(y, given.like(x), aS); // (context)
      const missing = lowPass(reference.map((value, i) => value - x[i]));
      x = x.map((value, i) => value + missing[i]); // (ilvr)
    }
    yield { number: of - left, of, level: s, x, x0 };
  }
}

/** samplers.ddim: a picture of the prior; it takes neither picture nor map. */
export async function* ddim(prior, y, map, { eta, ...visits }, noise) {
  checkEta(eta);
  const [moves, of] = walk(visits);
  let x = noise.draw(sizeOf(prior));
  for (const { t, s, left } of moves) {
    const [aT, aS] = [alphaBar[t], alphaBar[s]];
    if (s > t) {
      x = renoise(x, noise.like(x), aT, aS); // (forward-between)
      continue;
    }
    const { x0, eps } = await predict(prior, x, t);
    const z = eta ? noise.like(x) : new Float32Array(x.length);
    x = ddimStep(x0, eps, z, aT, aS, eta); // (ddim)
    yield { number: of - left, of, level: s, x, x0 };
  }
}

export const METHODS = { fuzzy, repaint, ddnm, ilvr, ddim };
