// The workbench: pictures, settings, runs. The last part of the module that fuzzydiff_lite/show/workbench.py joins;
// Jupyter and page.js call `render`.
const HONEST =
  "The network learnt from 7 476 portraits, nearly all of members of the U.S. Congress since 1789, most of them white " +
  "men. Children, profiles, dark pictures and covered heads are rare or missing, and every face is drawn towards " +
  "those it saw.";
const PAINTING =
  "Paint what is to be invented. Keys: arrows move (with Shift by 8), Space paints, + and − size, Control + Z undoes.";

class Workbench {
  constructor(model, el) {
    Object.assign(this, { model, el, spec: model.get("spec"), chosen: 0, quarter: 0, pictures: {} });
    this.isPage = Boolean(model.get("page"));
    const link = this.isPage ? readLink(location.hash, this.spec) : {};
    const { picture, shape, ...at } = { ...this.spec.start, ...link };
    this.at = { ...at, eta: link.eta ?? etaOf(at.method) };
    this.first = { request: JSON.stringify([requestOf(this.spec.start), this.spec.start.seed]) };
    const hear = [(said) => this.changed(said), (said) => this.say(said)];
    this.painter = new MapPainter(this.spec, ...hear);
    this.painter.filled(shape, 0, this.painter.map);
    this.layout();
    this.listen();
    this.engine = new Engine(model, (what) => this.heard(what));
    this.engine.found();
    if (this.spec.frames) this.frames = new Frames(this.spec.frames, () => this.refresh());
    this.load(picture, link.tone);
  }

  async load(first, tone) {
    for (const [name, { file }] of Object.entries(this.spec.pictures)) {
      this.addPicture(name, pictureOf(await bitmapOf(file)));
    }
    this.first.x = pictureOf(await bitmapOf(this.spec.first));
    this.choose(first, tone);
    this.el.dataset.ready = ""; // for those who wait for it
  }

  layout() {
    const { at, painter, spec } = this;
    this.thumbs = make("div", { className: "thumbs", aria: { role: "group", label: "Picture" } });
    this.file = make("input", { type: "file", accept: "image/*", hidden: true });
    this.file.addEventListener("change", () => this.open(this.file.files[0]));
    this.about = make("p", { className: "small about" });
    painter.canvas.setAttribute("aria-label", "The map m over the given picture, to paint on");
    painter.canvas.setAttribute("aria-description", PAINTING);
    const label = "The given picture as means of blocks";
    this.followed = blankCanvas(SIZE * ZOOM, { aria: { role: "img", label } });
    this.givenCaption = make("figcaption");
    const keys = make("p", { className: "small", textContent: PAINTING });
    this.brushes = make("div", { className: "brushes" }, keys, brushControls(painter, spec.shapes, (said) => this.say(said)));
    this.given = make("figure", { className: "given" }, this.givenCaption, painter.canvas, this.followed);

    this.go = button("Run", () => this.press(), { className: "primary" });
    this.four = button("Four answers", () => this.run(4), { title: "Of this seed and the next three" });
    this.effort = make("span", { className: "small" });
    this.bar = make("span");
    const progress = { className: "progress", hidden: true, aria: { role: "progressbar", label: "Progress" } };
    this.progress = make("div", progress, this.bar);
    this.alert = make("p", { className: "alert", aria: { role: "alert" } });
    this.line = make("p", { className: "line small", aria: { live: "polite" } });
    const actions = make("div", { className: "actions" }, this.go, this.four, this.effort, this.progress);
    this.results = new Results(spec.tint, actions, this.alert, this.line);

    const controls = controlsOf(spec);
    const noise = (share) => (share && share < 1 ? `, σ_y ${Number(noiseOf(share, spec.variance).toPrecision(2))}` : "");
    controls.share.text = (share) => `${share}${noise(share)}`;
    const options = Object.fromEntries(Object.entries(METHODS).map(([method, { name }]) => [method, name]));
    const choose = (method) => this.set({ method, eta: etaOf(method) });
    this.controls = { method: select({ name: "method", options }, at.method, choose) };
    for (const [name, control] of Object.entries(controls)) {
      const kind = control.values ? slider : control.options ? select : check;
      this.controls[name] = kind(control, at[name], (value) => this.set({ [name]: value }));
    }
    const rows = (...names) => names.map((name) => this.controls[name].element);
    const own = button("Load your own…", () => this.file.click(), { title: "Or drop it here, or paste it" });
    const stays = this.isPage ? " Nothing leaves this machine." : "";
    this.root = make(
      "div",
      { className: "workbench" },
      make("div", { className: "picker" }, this.thumbs, own, this.file),
      this.about,
      group("Method", ...rows("method", "m", "share", "per", "J", "scale", "until", "eta")),
      make("div", { className: "stage" }, this.given, this.results.element, this.brushes),
      this.results.row,
      group("Run", ...rows("steps", "tone", "seed", "rescale")),
      this.sharing(),
      make("p", { className: "small" }, make("strong", { textContent: "A guess, not evidence. " }), HONEST, stays),
    );
    this.el.replaceChildren(this.root);
  }

  sharing() {
    const [command, python] = [make("code"), make("code")];
    this.write = () => {
      command.textContent = commandOf(this.at);
      python.textContent = pythonOf(this.at);
    };
    const map = () => imageOf(null, (i) => Math.round(255 * this.painter.map[i]));
    const small = () => savePng(imageOf(blocks(this.picture, this.at.scale)), "small.png", SIZE / this.at.scale);
    const saves = {
      "the result": () => savePng(imageOf(this.results.x), "restored.png"),
      "it enlarged": () => savePng(imageOf(this.results.x), "restored-4x.png", 4 * SIZE),
      "given.png": () => savePng(imageOf(this.picture), "given.png"),
      "map.png": () => savePng(map(), "map.png"),
      "small.png": small,
    };
    this.saves = Object.fromEntries(Object.entries(saves).map(([name, save]) => [name, button(name, save)]));
    const region = (label, code) => make("pre", { tabIndex: 0, aria: { role: "region", label } }, code);
    return make(
      "details",
      {},
      make("summary", { textContent: "Save, share, make the same in Python" }),
      make("div", { className: "buttons" }, "Save ", ...Object.values(this.saves)),
      make("p", { className: "small", textContent: "With these files in a folder, the same picture is made by" }),
      region("Command", command),
      region("Python", python),
      button("Copy a link to these settings", () => this.copyLink(), { hidden: !this.isPage }),
    );
  }

  // What the reader does.

  listen() {
    const { root } = this;
    root.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.stopPropagation()); // d d in Jupyter
    root.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
    root.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
    this.paste = (event) => {
      const { activeElement, body } = document;
      if (root.contains(activeElement) || activeElement === body) this.take(event, event.clipboardData);
    };
    document.addEventListener("paste", this.paste);
  }

  take(event, { files }) {
    if (!files.length) return;
    event.preventDefault();
    this.open(files[0]);
  }

  close() {
    document.removeEventListener("paste", this.paste);
    this.engine.close();
  }

  addPicture(name, picture) {
    this.pictures[name] = picture;
    this.thumbs.querySelector(`[data-name="${name}"]`)?.remove();
    const thumb = button("", () => this.choose(name), { data: { name }, title: name, aria: { label: name } });
    thumb.append(smallCanvas(imageOf(picture)));
    this.thumbs.append(thumb);
  }

  choose(name, tone = this.spec.pictures[name]?.tone ?? "colour") {
    this.leaveCrop();
    this.name = name;
    this.picture = this.painter.picture = this.pictures[name];
    for (const thumb of this.thumbs.children) thumb.setAttribute("aria-pressed", thumb.dataset.name === name);
    this.about.textContent = this.spec.pictures[name]?.about ?? "Your own picture: it stays here.";
    this.set({ tone });
  }

  async open(file) {
    this.file.value = ""; // so that the same file can be chosen again
    if (!file) return;
    this.warn("");
    try {
      const bitmap = await readImage(file);
      this.leaveCrop();
      const use = (picture) => {
        this.addPicture("yours", picture);
        this.choose("yours");
      };
      this.cropper = new Cropper(bitmap, this.spec.marks, use, () => this.leaveCrop());
      this.given.prepend(this.cropper.element);
      this.showControls();
      this.cropper.canvas.focus();
      this.say("Your picture stays here. Bring eyes and mouth to the marks.");
    } catch (error) {
      this.warn(error.message);
    }
  }

  leaveCrop() {
    this.cropper?.bitmap.close();
    this.cropper?.element.remove();
    this.cropper = null;
    this.showControls();
  }

  set(to) {
    Object.assign(this.at, to);
    this.showControls();
    this.changed("");
  }

  /** Where the controls stand, and what the method has. */
  showControls() {
    const { at, cropper } = this;
    const { map } = METHODS[at.method];
    for (const [name, control] of Object.entries(this.controls)) {
      control.put(at[name]);
      control.element.hidden = name !== "method" && !isShown(at, name);
    }
    this.painter.shown = map === "binary" ? (value) => Number(value === 1) : (value) => value;
    for (const element of [this.painter.canvas, this.brushes]) element.hidden = map === "none" || cropper;
    this.followed.hidden = at.method !== "ilvr" || cropper;
    this.givenCaption.hidden = Boolean(cropper);
    this.given.hidden = at.method === "ddim" && !cropper;
    const blue = () => make("span", { className: "tint", textContent: "blue" });
    const said = {
      fuzzy: ["Given. The less the map keeps, the more ", blue()],
      binary: ["Given. What is to be invented is ", blue()],
      none: [`Given: the means of blocks of ${at.scale} × ${at.scale} pixels`],
    };
    this.givenCaption.replaceChildren(...said[map]);
    this.saves["map.png"].hidden = map === "none";
    this.saves["given.png"].hidden = at.method === "ddim";
    this.saves["small.png"].hidden = at.method !== "ilvr" || at.scale === 16;
  }

  changed(said) {
    if (!this.picture) return;
    this.painter.draw();
    if (this.at.method === "ilvr") show(this.followed, imageOf(blocks(this.picture, this.at.scale)));
    if (said) this.say(said);
    this.write();
    this.refresh();
  }

  copyLink() {
    const name = Object.hasOwn(this.spec.pictures, this.name) && this.name;
    history.replaceState(null, "", linkOf(this.at, name, this.painter.shape));
    const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"));
    const said = "It carries the settings, not a picture of yours or what you painted by hand.";
    const says = (where) => () => this.say(`The link is ${where}. ${said}`);
    copied.then(says("copied"), says("in the address bar"));
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
    const { at, picture } = this;
    const map = samplerMap(at, this.painter.map);
    return { request: JSON.stringify([requestOf(at), at.seed]), picture, map, at: { ...at } };
  }

  run(count) {
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
    if (!this.busy) this.refresh();
  }

  showState() {
    const { state, loaded, total, calls } = this.engine;
    const { kind, bytes, why = "" } = this.model.get("engine") ?? {};
    const size = kind === "worker" && state === "asleep" ? ` it here, ${Math.round(bytes / 1e6)} MB` : "";
    this.go.textContent = this.busy ? "Cancel" : `Run${size}`;
    this.go.hidden = this.four.hidden = state === "absent";
    this.four.disabled = this.busy;
    this.progress.hidden = !this.busy;
    const share = state === "loading" ? loaded / (total || 1) : calls.number / (calls.of || 1);
    this.bar.style.width = `${100 * share}%`;
    this.progress.setAttribute("aria-valuenow", Math.round(100 * share));
    const seconds = calls.left / 1000;
    const left = seconds < 10 ? seconds.toFixed(1) : Math.round(seconds);
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    const all = callsOf(this.at);
    const ms = this.engine.about?.call_ms;
    const text = {
      absent: why,
      loading: total ? `loading: ${megabytes(loaded)} of ${megabytes(total)} MB` : "loading",
      running: calls.of ? `${calls.number} of ${calls.of} calls, ${left} s left` : "",
    };
    const effort = `${all} calls of the network${ms ? `, about ${Math.max(1, Math.round((all * ms) / 1000))} s` : ""}`;
    this.effort.textContent = text[state] ?? effort;
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
    if (!this.picture || !this.engine || this.busy) return;
    this.showState();
    const { asked, last, results } = this;
    const { method } = this.at;
    const answer = this.engine.answers[this.chosen];
    const given = method === "ddim" ? null : this.picture;
    const map = METHODS[method].map === "none" ? null : asked.map;
    const same = last && last.request === asked.request && last.picture === asked.picture;
    if (same && answer?.x && asked.map.every((value, i) => value === last.map[i])) {
      if (results.x === answer.x) return (results.stale = false);
      const caption = `Restored here: ${METHODS[method].name}, seed ${answer.seed}`;
      return results.showResult({ x: answer.x, given, map, film: answer.film, caption });
    }
    const frame = this.beforehand(asked);
    if (frame) {
      if (frame.text) this.say(frame.text);
      return results.showResult({ x: frame.x, given, map, film: [], caption: "Computed beforehand" });
    }
    results.stale = Boolean(results.x);
    const run = this.engine.state === "absent" ? "" : ": press Run";
    results.caption.textContent = results.x ? `Of other settings${run}` : `Nothing made yet${run}`;
  }

  /** What was computed beforehand with the present settings, or nothing. */
  beforehand({ request }) {
    const { picture, shape } = this.spec.start;
    const isFirst = request === this.first.request && this.name === picture;
    const frame = this.frames?.find(this.at, this.name, this.painter.shape);
    return frame ?? (isFirst && this.painter.shape === shape ? this.first : null);
  }

  say(text) {
    this.line.textContent = text;
  }

  warn(text) {
    this.alert.textContent = text;
  }
}

/** Start a workbench in `el`: what Jupyter and the page call. Returns what ends it. */
function render({ model, el }) {
  const workbench = new Workbench(model, el);
  return () => workbench.close();
}

export default { render };
