// The twin of fuzzydiff_lite/samplers/fuzzy.py with a GaussianPrior: the same pictures in a browser, without a network.
// Written for one picture at a time: y, x and noise are flat arrays of 3 colours x pixels, m has a number for each pixel.
((fuzzydiff) => {
  const T = 1000;
  const alphaBar = new Float64Array(T + 1).fill(1); // Schedule.linear()
  for (let t = 1; t <= T; t++) alphaBar[t] = alphaBar[t - 1] * (1 - (1e-4 + ((0.02 - 1e-4) * (t - 1)) / (T - 1)));

  function roundHalfToEven(x) {
    const up = Math.round(x);
    return up - x === 0.5 && up % 2 ? up - 1 : up;
  }

  /** Schedule.levels(steps), spaced uniformly. */
  function levels(steps) {
    return Array.from({ length: steps + 1 }, (_, k) => Math.max(steps - k, roundHalfToEven(T * ((steps - k) / steps))));
  }

  /** schedule.travel with jump 1, as pairs [t, s]: every step but the last is walked `repeats` times. */
  function travel(levels, repeats) {
    const moves = [];
    for (let i = 0; i + 1 < levels.length; i++) {
      const down = [levels[i], levels[i + 1]];
      moves.push(down);
      for (let j = 1; j < repeats && down[1] > 0; j++) moves.push([down[1], down[0]], down);
    }
    return moves;
  }

  const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

  /** A picture of 8-bit values as numbers in [-1, 1]. */
  const picture = (base64) => Float32Array.from(bytes(base64), (value) => value / 127.5 - 1);

  /** The GaussianPrior of a file of `painter.save`; `x0(x, t)` is steps.gaussian_denoiser, clipped to [-1, 1]. */
  function gaussian(spec) {
    const mean = picture(spec.mean);
    const [d, K] = [mean.length, spec.variances.length];
    const steps = new Int8Array(bytes(spec.directions).buffer);
    const directions = Float32Array.from(steps, (step, i) => step * spec.scales[Math.floor(i / d)]); // one after another
    const sum = (power) => spec.variances.reduce((s, v) => s + v ** power, (d - K) * spec.rest ** power);

    function x0(x, t) {
      const a = alphaBar[t];
      const root = Math.sqrt(a);
      const gain = (variance) => (root * variance) / (a * variance + 1 - a);
      const rest = gain(spec.rest);
      const z = x.map((value, i) => value - root * mean[i]);
      const guess = z.map((value, i) => mean[i] + rest * value);
      for (let k = 0, from = 0; k < K; k++, from += d) {
        let dot = 0;
        for (let i = 0; i < d; i++) dot += directions[from + i] * z[i];
        dot *= gain(spec.variances[k]) - rest;
        for (let i = 0; i < d; i++) guess[i] += dot * directions[from + i];
      }
      return guess.map((value) => Math.min(1, Math.max(-1, value)));
    }

    return { x0, size: d, variance: sum(2) / sum(1) };
  }

  /** steps.fusion_weight: the weight of the fusion after the step from t to s that keeps `share` over the whole run. */
  function fusionWeight(share, t, s, variance, fix) {
    const pull = (1 - alphaBar[t] / alphaBar[s]) / (alphaBar[t] * variance + 1 - alphaBar[t]);
    const c = (1 - share) / (1 - share + share * pull);
    const across = Math.sqrt(1 - c * c);
    return fix ? across / (c + across) : 1 - c;
  }

  let kept = {}; // the noise of the last seed, so that a brush stroke does not draw it again and again

  function source(seed, branch, count) {
    if (kept.seed !== seed || kept.count !== count) kept = { seed, count, draws: new Map() };
    const { draws } = kept;
    let draw = 0;
    return () => {
      const name = `${branch} ${draw}`;
      if (!draws.has(name)) draws.set(name, fuzzydiff.standardNormal(seed, 0, draw, count, branch));
      draw += 1;
      return draws.get(name);
    };
  }

  /** samplers.fuzzy: the restored picture, a Float64Array in [-1, 1], and how often the prior was called. */
  function fuzzy(prior, y, m, { steps, repeats, seed, per, fix }) {
    const noise = source(seed, 0, prior.size);
    const given = source(seed, fuzzydiff.branchKey(0, 1), prior.size);
    let x = Float64Array.from(noise());
    let calls = 0;
    for (const [t, s] of travel(levels(steps), repeats)) {
      const z = noise();
      const [at, as] = [alphaBar[t], alphaBar[s]];
      if (s > t) {
        const alpha = as / at;
        x = x.map((value, i) => Math.sqrt(alpha) * value + Math.sqrt(1 - alpha) * z[i]);
        continue;
      }
      calls += 1;
      const x0 = prior.x0(x, t);
      const alpha = at / as;
      const toGuess = (Math.sqrt(as) * (1 - alpha)) / (1 - at);
      const toInput = (Math.sqrt(alpha) * (1 - as)) / (1 - at);
      const deviation = Math.sqrt(((1 - as) / (1 - at)) * (1 - alpha));
      const eps = given();
      const fixNow = fix && s > 0;
      const weight = per === "fusion" ? m : m.map((share) => fusionWeight(share, t, s, prior.variance, fixNow));
      x = x.map((value, i) => {
        const mean = Math.sqrt(as) * y[i];
        const w = weight[i % m.length];
        const hallucinated = toGuess * x0[i] + toInput * value + deviation * z[i];
        const context = mean + Math.sqrt(1 - as) * eps[i];
        const blend = w * context + (1 - w) * hallucinated;
        return fixNow ? mean + (blend - mean) / Math.sqrt(w * w + (1 - w) * (1 - w)) : blend;
      });
    }
    return { x, calls };
  }

  Object.assign(fuzzydiff, { levels, travel, picture, gaussian, fuzzy });
})((globalThis.fuzzydiff ??= {}));
