// The engine of a page: runs the network and the samplers beside the page, so that the page never waits.
//
// Messages are { content, buffers }, both ways; buffers are ArrayBuffers of float32. From the page come
// { kind: "load" }, { kind: "run", id, method, settings, seeds } with the picture and the map, and
// { kind: "cancel", id }. To the page go "loading" with the bytes that are `done` of `total`; "ready"; after each call
// of the network a "step" with the picture and the predicted clean one; "done" for each seed with the picture;
// "cancelled"; and "error" with a `message` that says what is wrong and what to do, and the `id` of a run whose input
// is at fault: without one the network is gone, and has to be loaded again.
// Beside this file are live.json and what it names, all made by book/_ext/live.py.
import { ask, download, unpacked } from "./download.js";
import { METHODS, Noise } from "./samplers.js";

const SHAPE = [3, 64, 64];
const ENGINE = "WebAssembly";
const OLD = "This browser has no WebAssembly, which runs the network. A current Firefox, Chrome, Edge or Safari has.";
const MEMORY = "There is too little memory to run the network, which takes 300 MB. Close other pages and try again.";

let loaded; // the promise of what `load` returns
let current = { cancelled: true, ended: Promise.resolve() }; // the last run that was asked for

function say(content, arrays = []) {
  const buffers = arrays.map((array) => array.slice().buffer);
  postMessage({ content, buffers }, buffers);
}

/** Download all and start the network; returns `priorOf(tone)` and the milliseconds of a call. */
async function load() {
  if (!globalThis.WebAssembly || !globalThis.DecompressionStream) throw new Error(OLD);
  const about = await (await ask("live.json")).json().catch(({ message }) => {
    throw new Error(`live/live.json is not what it should be (${message}). Build the book again.`);
  });
  const total = about.model.bytes + about.wasm.bytes;
  let [done, told] = [0, 0];
  const came = (bytes) => {
    done += bytes;
    if (done < total && done < told + total / 50) return; // the page has more to do than to hear of every chunk
    told = done;
    say({ kind: "loading", done, total });
  };
  const [model, wasm] = [await download(about.model, came), await download(about.wasm, came)];
  const ort = await import("./ort.mjs");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: await unpacked(wasm) });
  const session = await ort.InferenceSession.create(model).catch(({ message }) => {
    throw new Error(`The network cannot be started (${message}). Reload the page.`);
  });
  const whole = (number) => new ort.Tensor("int64", BigInt64Array.of(BigInt(number)), [1]);
  const priorOf = (tone) => {
    const label = about.tones.indexOf(tone);
    if (label < 0) throw new RangeError(`tone must be one of ${about.tones.join(", ")}, got ${tone}`);
    return {
      shape: SHAPE,
      variance: about.variance,
      async predict(x, t) {
        const given = new ort.Tensor("float32", x, [1, ...SHAPE]);
        const { x0_hat } = await session.run({ x: given, t: whole(t), tone: whole(label) }).catch((error) => {
          throw new Error(`The network has stopped (${error.message ?? error}). Press Run to start it anew.`);
        });
        return x0_hat.data;
      },
    };
  };
  const noise = new Noise(0).draw(3 * 64 * 64);
  await priorOf("none").predict(noise, 1000); // the browser still compiles
  const begin = performance.now();
  await priorOf("none").predict(noise, 1000);
  return { priorOf, call_ms: performance.now() - begin };
}

/** What `load` returns; after it has failed, the next one to ask tries again. */
function ready() {
  loaded ??= load();
  loaded.catch(() => (loaded = undefined));
  return loaded;
}

/** Let messages in, which the promises of the network alone do not. */
function pause() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

/** Run a sampler for each seed, and tell the page of each step. */
async function sample(run, { id, method, settings: { tone, walk, ...settings }, seeds }, buffers) {
  const { priorOf } = await ready();
  const [picture, map] = buffers.map((buffer) => new Float32Array(buffer));
  for (const seed of seeds) {
    const steps = METHODS[method](priorOf(tone), picture, map, { ...walk, ...settings }, new Noise(seed));
    let last;
    for (let begin = performance.now(); ; begin = performance.now()) {
      await pause();
      if (run.cancelled) return say({ kind: "cancelled", id });
      const { done, value } = await steps.next();
      if (done) break;
      const { x, x0, ...where } = value;
      say({ kind: "step", id, seed, ...where, ms: performance.now() - begin }, [x, x0]);
      last = x;
    }
    say({ kind: "done", id, seed }, [last]);
  }
}

/** Tell the page of an error, in a sentence of use to a reader: of a run with bad input, else of the network. */
function report(error, id) {
  if (!(error instanceof RangeError)) loaded = id = undefined; // the network may be broken: the next one loads anew
  const { message } = error;
  say({ kind: "error", id, message: /memory|alloc/i.test(message) ? MEMORY : message });
}

const ANSWERS = {
  load: () => ready().then(({ call_ms }) => say({ kind: "ready", engine: ENGINE, call_ms }), report),
  run(content, buffers) {
    const before = current;
    before.cancelled = true;
    const run = (current = { id: content.id, cancelled: false });
    run.ended = before.ended.then(() => sample(run, content, buffers)).catch((error) => report(error, run.id));
  },
  cancel({ id }) {
    if (current.id === id) current.cancelled = true;
  },
};

onmessage = ({ data: { content, buffers } }) => ANSWERS[content.kind](content, buffers);
