// The workbench: pictures, settings, runs. The last part of the module that fuzzydiff_lite/show/workbench.py joins;
// Jupyter and page.js call `render`.
const HONEST =
  "The network learnt from 7 476 portraits, nearly all of members of the U.S. Congress since 1789, most of them " +
  "white men. Women and people of colour are few. Children, faces turned aside, dark photographs and covered heads " +
  "are rare or missing. Every face is drawn towards those it saw. Never use a result to say who somebody is.";

class Workbench {
  constructor(model, el) {
    Object.assign(this, { model, el, spec: model.get("spec"), chosen: 0, quarter: 0 });
    this.isPage = Boolean(model.get("page"));
    const link = this.isPage ? readLink(location.hash, this.spec) : {};
    const { picture, shape, ...at } = { ...this.spec.start, ...link };
    this.at = at;
    this.first = { key: keyOf(this.spec.start) };
    const [say, warn] = [(text) => (this.line.textContent = text), (text) => (this.alert.textContent = text)];
    Object.assign(this, { say, warn });
    this.painter = new MapPainter(this.spec, (said) => this.changed(said), say);
    this.painter.filled(shape, 0, this.painter.map);
    const chosen = () => this.set({ tone: this.pictures.tone });
    const placing = (cropper) => this.placing(cropper);
    this.pictures = new Pictures(this.spec, { isPage: this.isPage, chosen, placing, say, warn });
    this.sharing = new Sharing(() => this.now, this.isPage, say);
    this.layout();
    this.showControls();
    this.unlisten = this.pictures.listen(this.root);
    // In JupyterLab d d deletes the cell; Control + s may save.
    this.root.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.stopPropagation());
    this.engine = new Engine(model, (what) => this.heard(what));
    this.engine.found();
    if (this.spec.frames) this.frames = new Frames(this.spec.frames);
    this.moved = () => this.follow();
    if (this.isPage) addEventListener("hashchange", this.moved);
    const tone = link.tone ?? (link.picture ? undefined : at.tone); // a picture that is chosen brings its own
    this.load(picture, tone).catch(({ message }) => warn(`The pictures cannot be shown (${message}): try again.`));
  }

  async load(first, tone) {
    await this.pictures.load();
    this.first.x = pictureOf(await bitmapOf(this.spec.first));
    this.pictures.choose(first);
    if (tone) this.set({ tone });
    await this.frames?.load();
    this.refresh();
    this.el.dataset.ready = ""; // for those who wait for it
  }

  layout() {
    const { at, painter, spec } = this;
    const label = "The given picture as means of blocks";
    this.followed = blankCanvas(SIZE * ZOOM, { aria: { role: "img", label } });
    this.givenCaption = make("figcaption");
    this.brushes = brushControls(painter, spec, this.say);
    this.given = make("figure", { className: "given" }, this.givenCaption, painter.canvas, this.followed);

    this.go = button("Run", () => this.press(), { className: "primary" });
    this.four = button("Four answers", () => this.busy || this.run(4), { title: "Of this seed and the next three" });
    this.effort = make("span", { className: "small" });
    this.bar = make("span");
    const progress = { className: "meter", hidden: true, aria: { role: "progressbar", label: "Progress" } };
    this.progress = make("div", progress, this.bar);
    this.alert = make("p", { className: "wrong", aria: { role: "alert" } });
    this.line = make("p", { className: "line small", aria: { live: "polite" } });
    const actions = make("div", { className: "actions" }, this.go, this.four, this.effort, this.progress);
    this.results = new Results(spec.tint, actions, this.alert, this.line);

    const controls = controlsOf(spec);
    const noise = (share) => (share ? Number(noiseOf(share, spec.variance).toPrecision(2)) : "∞");
    controls.share.text = (share) => `${share}\nσ_y ${noise(share)}`;
    const options = Object.fromEntries(Object.entries(METHODS).map(([method, { name }]) => [method, name]));
    const choose = (method) => this.set({ method, eta: etaOf(method) });
    this.controls = { method: select({ name: "method", options }, at.method, choose) };
    for (const [name, control] of Object.entries(controls)) {
      const kind = control.values ? slider : control.options ? select : check;
      this.controls[name] = kind(control, at[name], (value) => this.set({ [name]: value }));
    }
    const rows = (...names) => names.map((name) => this.controls[name].element);
    const first = rows("method", "m", "share", "per", "J", "scale", "until", "eta");
    const more = rows("steps", "tone", "seed", "rescale");
    const stays = this.isPage ? " Nothing leaves this machine." : "";
    this.root = make(
      "div",
      { className: "workbench" },
      this.pictures.element,
      make("fieldset", { aria: { label: "Method" } }, ...first),
      make("div", { className: "stage" }, this.given, this.results.element, this.brushes),
      this.results.row,
      make("fieldset", {}, make("legend", { textContent: "More settings" }), ...more),
      this.sharing.element,
      make("p", { className: "small" }, make("strong", { textContent: "A guess, not evidence. " }), HONEST, stays),
    );
    this.el.replaceChildren(this.root);
  }

  // What the reader does.

  close() {
    this.unlisten();
    removeEventListener("hashchange", this.moved);
    this.engine.close();
  }

  /** Take over a link that is put into the address of the open page. */
  follow() {
    if (!this.pictures.picture) return;
    const { picture, shape, ...at } = readLink(location.hash, this.spec);
    if (shape) this.painter.set(this.painter.filled(shape, 0), `Filled ${shape}`);
    if (picture) this.pictures.choose(picture);
    this.set(at);
  }

  placing(cropper) {
    this.cropper = cropper;
    if (cropper) this.givenCaption.after(cropper.element);
    this.showControls();
  }

  set(to) {
    Object.assign(this.at, to);
    this.showControls();
    this.changed("");
  }

  /** Where the controls stand, and what the method has. */
  showControls() {
    const { at } = this;
    const { map } = METHODS[at.method];
    const placing = Boolean(this.cropper);
    for (const [name, control] of Object.entries(this.controls)) {
      control.put(at[name]);
      control.element.hidden = name !== "method" && !isShown(at, name);
    }
    this.painter.shown = map === "binary" ? (value) => Number(value === 1) : (value) => value;
    this.painter.canvas.hidden = this.brushes.hidden = map === "none" || placing;
    this.followed.hidden = at.method !== "ilvr" || placing;
    this.given.hidden = this.pictures.element.hidden = at.method === "ddim" && !placing;
    const blue = () => make("span", { className: "tint", textContent: "blue" });
    const said = {
      fuzzy: ["Given. The less the map keeps, the more ", blue()],
      binary: ["Given. What is to be invented is ", blue()],
      none: [`Given: the means of blocks of ${at.scale} × ${at.scale} pixels`],
    };
    this.givenCaption.replaceChildren(...(placing ? ["Drag, zoom, turn: eyes and mouth to the marks"] : said[map]));
  }

  changed(said) {
    const { picture } = this.pictures;
    if (!picture) return;
    this.painter.picture = picture;
    this.painter.draw();
    if (this.at.method === "ilvr") show(this.followed, imageOf(blocks(picture, this.at.scale)));
    if (said) this.say(said);
    this.refresh();
  }

  /** What can be saved and shared. */
  get now() {
    const { at, painter, pictures, results } = this;
    const link = linkOf(at, pictures.ships && pictures.name, painter.shape);
    return { at, result: results.x, given: pictures.picture, map: painter.map, link };
  }

  // Runs, and what they give.

  press() {
    if (this.busy) this.engine.cancel();
    else this.run(1);
  }

  get busy() {
    return ["loading", "running"].includes(this.engine.state);
  }

  /** What is asked for now. */
  get asked() {
    const { at, painter, pictures } = this;
    const map = samplerMap(at, painter.map);
    return { key: keyOf(at), picture: pictures.picture, map, at: { ...at } };
  }

  run(count) {
    if (!this.pictures.picture) return; // they are not there yet
    this.warn("");
    const { at, asked } = this;
    const seeds = Array.from({ length: count }, (_, i) => at.seed + i);
    Object.assign(this, { last: asked, chosen: 0, quarter: 0 });
    this.say(`Started: ${count * callsOf(at)} calls of the network.`);
    this.engine.run(requestOf(at), seeds, asked.picture, asked.map);
    this.showRow();
  }

  heard(what) {
    const { engine } = this;
    if (what === "error") this.warn(engine.message);
    if (what === "step") this.showStep();
    if (what === "answer") this.showAnswer();
    this.showState();
    if (!this.busy || what === "state") this.refresh();
  }

  showState() {
    const { engine } = this;
    const { kind, bytes, why = "" } = this.model.get("engine") ?? {};
    const size = kind === "worker" && engine.state === "asleep" ? ` it here, ${Math.round(bytes / 1e6)} MB` : "";
    this.go.textContent = this.busy ? "Cancel" : `Run${size}`;
    this.go.hidden = this.four.hidden = engine.state === "absent";
    this.four.setAttribute("aria-disabled", this.busy); // it keeps the focus
    this.progress.hidden = !this.busy;
    this.bar.style.width = `${100 * engine.share}%`;
    this.progress.setAttribute("aria-valuenow", Math.round(100 * engine.share));
    const effort = engine.state === "absent" ? why : engine.effort(callsOf(this.at));
    this.effort.textContent = this.busy ? engine.progress : effort;
  }

  showStep() {
    const { calls, latest, answers } = this.engine;
    const { index, frame } = latest;
    const seed = answers.length > 1 ? `seed ${answers[index].seed}, ` : "";
    this.results.showFrame(frame, `What the network expects now: ${seed}level ${frame.level}`);
    if (answers.length > 1) this.results.showInRow(index, frame.x0);
    const quarter = Math.floor((4 * calls.number) / calls.of);
    if (quarter > this.quarter && quarter < 4) this.say(`${25 * quarter} %`);
    this.quarter = quarter;
  }

  showAnswer() {
    this.chosen = this.engine.latest.index;
    this.showRow();
    if (this.busy) return;
    this.chosen = 0;
    this.showRow();
    this.say(`Done: ${this.engine.calls.of} calls in ${(this.engine.took / 1000).toFixed(1)} s.`);
  }

  showRow() {
    const { answers } = this.engine;
    const choose = (index) => {
      this.chosen = index;
      this.showRow();
      this.refresh();
    };
    const map = METHODS[this.last.at.method].map === "none" ? null : this.last.map;
    this.results.showRow(answers, this.chosen, map, choose);
  }

  /** Show what belongs to the settings: the last run, or what was computed beforehand; else grey what there is. */
  refresh() {
    if (!this.pictures.picture) return;
    if (!this.busy) {
      this.showState();
      this.showBelonging();
    }
    this.sharing.write(this.at, !this.busy && !this.results.stale && this.results.x);
  }

  showBelonging() {
    const { asked, last, results } = this;
    const { method } = this.at;
    const answer = this.engine.answers[this.chosen];
    const given = method === "ddim" ? null : asked.picture;
    const map = METHODS[method].map === "none" ? null : asked.map;
    const same = last && last.key === asked.key && last.picture === asked.picture;
    if (same && answer?.x && asked.map.every((value, i) => value === last.map[i])) {
      results.row.hidden = this.engine.answers.length < 2;
      const caption = `Restored here: ${METHODS[method].name}, seed ${answer.seed}`;
      return results.showResult({ x: answer.x, given, map, film: answer.film, caption });
    }
    results.row.hidden = true; // it belongs to other settings
    const frame = this.beforehand(asked);
    if (frame) {
      if (frame.text) this.say(frame.text);
      return results.showResult({ x: frame.x, given, map, film: [], caption: "Computed beforehand" });
    }
    results.draw({ frame: Infinity }); // where a run was cancelled, its last step was seen
    results.stale = Boolean(results.x);
    const run = this.engine.state === "absent" ? "" : ": press Run";
    results.say(results.x ? `Of other settings${run}` : `Nothing made yet${run}`);
  }

  /** What was computed beforehand with the present settings, or nothing. */
  beforehand({ key }) {
    const { picture, shape } = this.spec.start;
    const { name } = this.pictures;
    const isFirst = key === this.first.key && name === picture;
    const frame = this.frames?.find(this.at, name, this.painter.shape);
    return frame ?? (isFirst && this.painter.shape === shape ? this.first : null);
  }
}

/** Start a workbench in `el`: what Jupyter and the page call. Returns what ends it. */
function render({ model, el }) {
  const workbench = new Workbench(model, el);
  return () => workbench.close();
}

export default { render };
