// What the engine is asked and what it answers: loading, runs, their films; and pictures computed beforehand.
const LONGEST = 120; // frames that the film of one answer keeps

/** A buffer of the engine as numbers: Jupyter gives a DataView that need not be aligned. */
function floatsOf(buffer) {
  if (!ArrayBuffer.isView(buffer)) return new Float32Array(buffer);
  return new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
}

/** Several views may speak with one engine, so that runs cannot be counted. */
const newId = () => String(Math.random());

/**
 * The conversation with the engine. `state` is absent, asleep, loading, ready or running; `changed(what)` is called
 * with "state", "loading", "step", "answer" or "error", and then the answers of the run, one a seed, are in `answers`.
 */
class Engine {
  constructor(model, changed) {
    Object.assign(this, { model, changed, state: "absent", answers: [], id: newId(), loaded: 0, total: 0 });
    this.calls = { number: 0, of: 0, left: 0 };
    this.found = () => {
      const { kind } = model.get("engine") ?? {};
      this.set({ none: "absent", asking: "absent" }[kind] ?? "asleep");
    };
    this.heard = (content, buffers) => this.hear(content, buffers);
    model.on("change:engine", this.found);
    model.on("msg:custom", this.heard);
  }

  close() {
    this.cancel();
    this.model.off("change:engine", this.found);
    this.model.off("msg:custom", this.heard);
  }

  set(state, what = "state") {
    this.state = state;
    this.changed(what);
  }

  /** Run a request of `requestOf` for each of the seeds; the engine is loaded first if it has to be. */
  run(request, seeds, picture, map) {
    this.id = newId();
    const buffers = [picture, map].map((values) => values.slice().buffer);
    this.wanted = { content: { kind: "run", id: this.id, ...request, seeds }, buffers };
    this.answers = seeds.map((seed) => ({ seed, film: [], x: null }));
    this.calls = { number: 0, of: 0, left: 0 };
    if (this.state !== "asleep") return this.begin();
    Object.assign(this, { loaded: 0, total: 0 });
    this.model.send({ kind: "load" });
    this.set("loading");
  }

  /** Of the work that is waited for, the part that is done, in [0, 1]. */
  get share() {
    return this.state === "loading" ? this.loaded / (this.total || 1) : this.calls.number / (this.calls.of || 1);
  }

  /** What is to be said of the work that is waited for. */
  get progress() {
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    const seconds = this.calls.left / 1000;
    const left = seconds < 10 ? seconds.toFixed(1) : Math.round(seconds);
    if (this.state === "loading")
      return this.total ? `loading: ${megabytes(this.loaded)} of ${megabytes(this.total)} MB` : "loading";
    return this.calls.of ? `${this.calls.number} of ${this.calls.of} calls, ${left} s left` : "";
  }

  /** What a run of so many calls takes, as far as it is known. */
  effort(calls) {
    const { call_ms: ms, engine } = this.about ?? {};
    const seconds = Math.max(1, Math.round((calls * ms) / 1000));
    return `${calls} calls of the network${ms ? `, about ${seconds} s by ${engine}` : ""}`;
  }

  begin() {
    this.model.send(this.wanted.content, undefined, this.wanted.buffers);
    this.begun = performance.now();
    this.set("running");
  }

  cancel() {
    if (!["loading", "running"].includes(this.state)) return;
    this.model.send({ kind: "cancel", id: this.id });
    this.id = newId(); // what still comes of the old run is not heard
    this.set(this.state === "loading" ? "asleep" : "ready");
  }

  hear(content, buffers = []) {
    const { kind } = content;
    if (kind === "loading" && this.state === "loading") {
      Object.assign(this, { loaded: content.done, total: content.total });
      this.changed("loading");
    } else if (kind === "ready" && this.state === "loading") {
      this.about = content;
      this.begin();
    } else if (kind === "error" && (content.id ?? this.id) === this.id) {
      this.message = content.message;
      this.set(content.id === undefined ? "asleep" : "ready", "error"); // one of no run is of the engine
    } else if (content.id === this.id && this.state === "running") this.hearRun(content, buffers.map(floatsOf));
  }

  hearRun(content, [x, x0]) {
    if (content.kind === "cancelled") return this.set("ready"); // by another view
    const index = this.answers.findIndex((answer) => answer.seed === content.seed);
    const answer = this.answers[index];
    if (content.kind === "step") {
      const { number, of, level } = content;
      this.calls = { number: index * of + number, of: of * this.answers.length };
      this.calls.left = ((performance.now() - this.begun) / this.calls.number) * (this.calls.of - this.calls.number);
      const frame = { number, of, level, x: imageOf(x), x0: imageOf(x0) };
      const every = Math.ceil(of / LONGEST);
      if (number % every === 0 || number === of) answer.film.push(frame);
      this.latest = { index, frame };
      this.changed("step");
    } else if (content.kind === "done") {
      answer.x = x;
      if (index === this.answers.length - 1) {
        this.state = "ready";
        this.took = performance.now() - this.begun;
        this.about = { ...this.about, call_ms: this.took / this.calls.of };
      }
      this.latest = { index };
      this.changed("answer");
    }
  }
}

/** Pictures computed beforehand: a Grid of fuzzydiff_lite/show/widgets.py with the axes picture, mask, m and J. */
class Frames {
  constructor(grid) {
    this.grid = grid;
  }

  async load() {
    this.sprite = await bitmapOf(this.grid.sprite);
  }

  /** { x, text } of these settings, picture and shape, by name, or null where nothing was computed or is loaded. */
  find(at, picture, shape) {
    const usual = at.steps === 20 && at.seed === 0 && at.tone === "colour";
    const fuzzy = at.method === "fuzzy" && at.per === "fusion" && at.rescale;
    if (!this.sprite || !usual || !(fuzzy || at.method === "repaint")) return null; // RePaint is fuzzy with m = 1
    let index = 0;
    const { axes, columns, tile, texts } = this.grid;
    for (const [name, value] of Object.entries({ picture, mask: shape, m: scaleOf(at), J: at.J })) {
      const place = axes[name].indexOf(String(value));
      if (place < 0) return null;
      index = index * axes[name].length + place;
    }
    const [left, top] = [(index % columns) * tile[0], Math.floor(index / columns) * tile[1]];
    return { x: pictureOf(this.sprite, left + tile[0] - SIZE, top), text: texts[index] }; // the given is on the left
  }
}

export { Engine }; // for tests
