// What can be set, which method has it, and how the same run is written as a command and in Python.
// A part of the workbench, which fuzzydiff_lite/show/workbench.py joins in its order; it knows no page.
const SIZE = 64; // pixels of the side of a picture
const PIXELS = SIZE * SIZE;

// `map`: how it takes the painted m; `has`: its controls, besides steps, seed and tone.
const METHODS = {
  fuzzy: { name: "Fuzzy conditioning", map: "fuzzy", has: ["per", "m", "share", "J", "rescale"] },
  repaint: { name: "RePaint", map: "binary", has: ["J"] },
  ddnm: { name: "DDNM", map: "binary", has: ["J", "eta"] },
  ilvr: { name: "ILVR", map: "none", has: ["J", "scale", "until"] },
  ddim: { name: "DDIM (no picture)", map: "none", has: ["eta"] },
};

/** The controls of a run, and the stops of its sliders. */
const controlsOf = ({ stops }) => ({
  m: { name: "m", values: stops.m, hint: "multiplies the painted map: the weight of each fusion" },
  share: {
    ...{ name: "m", values: stops.share },
    hint: "multiplies the painted map: how much a run keeps, detail least. σ_y: noise per pixel that says the same",
  },
  J: { name: "J", values: stops.J, hint: "times each step is walked" },
  steps: { name: "steps", values: stops.steps },
  eta: { name: "eta", values: stops.eta, hint: "share of fresh noise" },
  scale: { name: "block", values: stops.scale, hint: "side, in pixels, of the blocks whose mean is followed" },
  until: { name: "until", values: stops.until, hint: "level down to which it is followed" },
  seed: { name: "seed", values: stops.seed },
  per: { name: "m is", options: { fusion: "a weight, per fusion", run: "a share, per run" } },
  tone: { name: "tone", options: { colour: "colour", mono: "monochrome", none: "not given to the network" } },
  rescale: { name: "correction", hint: "of the variance of a blend" },
});

/** DDNM restores best with fresh noise only; DDIM is meant to have none. */
const etaOf = (method) => (method === "ddim" ? 0 : 1);

const hasControl = (method, name) =>
  ["steps", "seed", "tone"].includes(name) || METHODS[method].has.includes(name);

/** Which controls are there now: of both scales of m only the one that counts. */
const isShown = (at, name) =>
  hasControl(at.method, name) && !(name === "m" && at.per === "run") && !(name === "share" && at.per === "fusion");

const repeatsOf = (at) => (hasControl(at.method, "J") ? at.J : 1);

/** How often a run calls the network. */
const callsOf = (at) => at.steps * repeatsOf(at) - repeatsOf(at) + 1;

/** What multiplies the painted map. */
const scaleOf = (at) => (at.method !== "fuzzy" ? 1 : at.per === "run" ? at.share : at.m);

/** The deviation of noise, in units of [-1, 1], that says the same as a share of a run. Eq. (share-as-noise). */
const noiseOf = (share, variance) => Math.sqrt((variance * (1 - share)) / share);

/** The map that the sampler gets of a painted one; RePaint and DDNM keep a pixel, or they do not. */
function samplerMap(at, map) {
  const binary = METHODS[at.method].map === "binary";
  return map.map((value) => (binary ? Number(value === 1) : scaleOf(at) * value));
}

/** A run in the words of the engine, but for id, seeds and pictures. */
function requestOf(at) {
  const settings = { walk: { steps: at.steps, repeats: repeatsOf(at) }, tone: at.tone };
  if (at.method === "fuzzy") Object.assign(settings, { rescale: at.rescale, share: at.per === "run" });
  for (const name of ["eta", "scale", "until"]) if (hasControl(at.method, name)) settings[name] = at[name];
  return { method: at.method, settings };
}

/** Equal for equal settings, but for the picture and the painted map. */
const keyOf = (at) => JSON.stringify([requestOf(at), at.seed, scaleOf(at)]);

/** The command that makes the same of given.png and map.png, or says why there is none. */
function commandOf(at) {
  const { method, steps, seed, tone, eta } = at;
  const rest = [`--steps ${steps}`];
  if (method !== "ddim") rest.push(`--repeats ${repeatsOf(at)}`);
  if (seed) rest.push(`--seed ${seed}`);
  if (tone !== "colour") rest.push(`--tone ${tone}`);
  if (method === "ddim") return `fuzzydiff sample --n 1 ${rest.join(" ")} --eta ${eta} -o sample.png`;
  if (method === "ilvr") {
    if (at.scale === 16) return "The command line knows blocks of 2, 4 and 8 pixels: use Python for 16.";
    if (at.until) rest.push(`--set until=${at.until}`);
    return `fuzzydiff restore small.png --task x${at.scale} --method ilvr ${rest.join(" ")} -o restored.png`;
  }
  if (method === "fuzzy" && scaleOf(at) < 1) rest.unshift(`--m ${scaleOf(at)}`);
  if (method === "fuzzy" && at.per === "run") rest.push("--set share=true");
  if (method === "fuzzy" && !at.rescale) rest.push("--set rescale=false");
  if (method === "ddnm") rest.push(`--set eta=${eta}`);
  return `fuzzydiff restore given.png --mask map.png --method ${method} ${rest.join(" ")} -o restored.png`;
}

/** The lines of Python that make the same. */
function pythonOf(at) {
  const { method, steps, seed, tone } = at;
  const how = `walk=Walk(${steps}, repeats=${repeatsOf(at)}), noise=Noise(${seed})`;
  const binary = METHODS[method].map === "binary";
  const scale = scaleOf(at) < 1 ? `${scaleOf(at)} * ` : "";
  const share = at.per === "run" ? ", variance=prior.variance" : "";
  const rescale = at.rescale ? "" : ", rescale=False";
  const call = {
    fuzzy: `fuzzy(prior, y, ${scale}m, ${how}${share}${rescale})`,
    repaint: `repaint(prior, y, m, ${how})`,
    ddnm: `ddnm(prior, A(y), A, eta=${at.eta}, ${how})`,
    ilvr: `ilvr(prior, y, AveragePool(${at.scale}).project, until=${at.until}, ${how})`,
    ddim: `ddim(prior, eta=${at.eta}, ${how})`,
  }[method];
  return [
    "from fuzzydiff_lite import Noise, Walk, load_prior, run",
    method !== "ddim" && "from fuzzydiff_lite.data import open_picture, to_tensor",
    method === "ddnm" && "from fuzzydiff_lite.operators import Inpaint",
    method === "ilvr" && "from fuzzydiff_lite.operators import AveragePool",
    `from fuzzydiff_lite.samplers import ${method}`,
    "",
    `prior = load_prior(tone="${tone}")`,
    method !== "ddim" && 'y = to_tensor(open_picture("given.png"))',
    METHODS[method].map !== "none" && 'm = (to_tensor(open_picture("map.png"))[:, :1] + 1) / 2',
    binary && "m = (m == 1).float()",
    method === "ddnm" && "A = Inpaint(m)",
    `x = run(${call})`,
  ]
    .filter((line) => line !== false)
    .join("\n");
}

/** The settings as a link's fragment: `picture` and `shape` are names, left out where there is none. */
function linkOf(at, picture, shape) {
  const shown = Object.keys(at).filter((name) => name !== "method" && isShown(at, name));
  const pairs = ["method", ...shown].map((name) => [name, at[name]]);
  if (picture) pairs.push(["picture", picture]);
  if (shape) pairs.push(["shape", shape]);
  return `#workbench?${new URLSearchParams(pairs)}`;
}

/** What a link's fragment sets, { picture, shape, … }; what is unknown, or no stop of a control, is left out. */
function readLink(hash, spec) {
  const found = {};
  if (!hash.startsWith("#workbench?")) return found;
  const controls = controlsOf(spec);
  for (const [name, text] of new URLSearchParams(hash.slice(hash.indexOf("?")))) {
    const { values, options } = Object.hasOwn(controls, name) ? controls[name] : {};
    if (name === "method" && Object.hasOwn(METHODS, text)) found.method = text;
    if (name === "picture" && Object.hasOwn(spec.pictures, text)) found.picture = text;
    if (name === "shape" && Object.hasOwn(spec.shapes, text)) found.shape = text;
    if (values?.includes(Number(text))) found[name] = Number(text);
    if (options && Object.hasOwn(options, text)) found[name] = text;
    if (name === "rescale") found.rescale = text !== "false";
  }
  if (found.method) found.eta ??= etaOf(found.method);
  return found;
}

export { callsOf, commandOf, linkOf, pythonOf, readLink, requestOf, samplerMap }; // for tests
