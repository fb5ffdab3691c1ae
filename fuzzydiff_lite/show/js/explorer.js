// The explorer: sliders and select boxes over precomputed frames, which a kernel can compute again. It stands behind
// controls.js in the module that fuzzydiff_lite/show/widgets.py joins; Jupyter and the element below call `render`.

class Explorer {
  constructor(model, el) {
    Object.assign(this, { model, spec: model.get("spec"), live: false, asked: null });
    this.at = {}; // name -> position on its axis
    let rest = this.spec.start;
    for (const [name, labels] of Object.entries(this.spec.axes).reverse()) {
      this.at[name] = rest % labels.length; // frames are in the order of nested loops, the last axis innermost
      rest = Math.floor(rest / labels.length);
    }
    const [width, height] = this.spec.tile;
    const className = this.spec.scale > 1 ? "pixels" : "";
    this.canvas = make("canvas", { width, height, className, aria: { role: "img" } });
    this.canvas.style.width = `${this.spec.scale * width}px`;
    const longest = this.spec.texts.reduce((a, b) => (b.length > a.length ? b : a)); // keeps its room free
    this.line = make("span");
    this.alert = make("p", { aria: { role: "alert" } });
    const names = Object.keys(this.spec.axes);
    const controls = make("div", { className: "controls" }, ...names.map((name) => this.control(name)));
    if (model.get("live")) controls.append(this.liveBox());
    const line = make("p", { className: "line", data: { longest }, aria: { live: "polite" } }, this.line);
    this.parts = [controls, this.canvas, line, this.alert];
    el.classList.add("explorer");
    // In JupyterLab arrows choose a cell; Control + s may save.
    el.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.stopPropagation());
  }

  control(name) {
    const labels = this.spec.axes[name];
    const values = [...labels.keys()];
    const act = (position) => this.move(name, Number(position));
    const made = this.spec.sliders.includes(name)
      ? slider({ name, values, text: (i) => labels[i] }, this.at[name], act)
      : select({ name, options: { ...labels } }, this.at[name], act);
    return made.element;
  }

  /** Whether the kernel computes what is chosen, and how far it is. */
  liveBox() {
    this.state = make("output");
    const act = (live) => {
      Object.assign(this, { live, asked: null });
      this.show();
    };
    const { element } = check({ name: "live", hint: "compute " }, false, act);
    element.lastChild.append(this.state);
    return element;
  }

  get frame() {
    return Object.entries(this.spec.axes).reduce((index, [name, labels]) => index * labels.length + this.at[name], 0);
  }

  move(name, position) {
    this.at[name] = position;
    this.show();
  }

  /** The frame computed beforehand, and a live one when that comes. */
  show() {
    const { columns, texts, tile } = this.spec;
    const [width, height] = tile;
    const { frame } = this;
    this.draw(this.sprite, (frame % columns) * width, Math.floor(frame / columns) * height);
    const label = (match, name) => this.spec.axes[name][this.at[name]];
    this.canvas.setAttribute("aria-label", this.spec.alt.replace(/\{(\w+)\}/g, label));
    this.say(texts[frame], this.live ? "computing …" : "");
    if (this.live) this.ask();
  }

  draw(image, left = 0, top = 0) {
    const { width, height } = this.canvas;
    this.canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
  }

  say(text, state, error = "") {
    this.line.textContent = text;
    this.alert.textContent = error;
    if (this.state) this.state.value = state;
  }

  /** One frame at a time: what is chosen meanwhile is asked for after the answer, and only the last of it. */
  ask() {
    if (this.asked !== null) return;
    this.asked = this.frame;
    this.began = performance.now();
    this.model.send({ frame: this.asked });
  }

  /** What the kernel answers: {frame, text} with a picture file, or {frame, error}. */
  async hear({ frame, text, error }, [file]) {
    if (frame !== this.asked) return; // another view of this explorer has asked
    this.asked = null;
    if (frame !== this.frame) return this.ask();
    if (error) return this.say(this.spec.texts[frame], "", error);
    this.say(text, `computed in ${((performance.now() - this.began) / 1000).toFixed(1)} s`);
    const picture = await createImageBitmap(new Blob([file]));
    if (this.live && frame === this.frame) this.draw(picture);
    picture.close();
  }
}

/** Start an explorer in `el`: what Jupyter and the page call. Returns what ends it. */
async function render({ model, el }) {
  const explorer = new Explorer(model, el);
  explorer.sprite = Object.assign(new Image(), { src: explorer.spec.sprite });
  await explorer.sprite.decode(); // until then the page shows its fallback
  explorer.show();
  el.replaceChildren(...explorer.parts);
  const hear = (content, buffers) => explorer.hear(content, buffers);
  model.on("msg:custom", hear);
  return () => model.off("msg:custom", hear);
}

/** <fuzzy-explorer data-spec="…"> of a built page, where no kernel is. */
class FuzzyExplorer extends HTMLElement {
  connectedCallback() {
    if (this.model) return;
    const values = { spec: JSON.parse(this.dataset.spec), live: false };
    this.model = { get: (name) => values[name], on() {} };
    render({ model: this.model, el: this });
  }
}

if (!customElements.get("fuzzy-explorer")) customElements.define("fuzzy-explorer", FuzzyExplorer);

export default { render };
