// <fuzzy-painter data-spec="…">: paint the map m on a face, see what fuzzy conditioning makes of it. Written by
// fuzzydiff_lite/painter.py, after noise.js and fuzzy.js. Without scripts the fallback <img> stays.
(() => {
  if (customElements.get("fuzzy-painter")) return; // a notebook may show it twice
  const { picture, gaussian, fuzzy } = globalThis.fuzzydiff;
  const SIZE = 32;
  const ZOOM = 10; // pixels of the canvas for one of the map
  const SLIDERS = {
    m: { min: 0, max: 1, step: 0.05, value: 0, name: "m of the brush" },
    radius: { min: 1, max: 12, step: 1, value: 3, name: "radius" },
    softness: { min: 0, max: 1, step: 0.1, value: 0, name: "softness" },
    scale: { min: 0, max: 1, step: 0.05, name: "m scale" },
    J: { values: [1, 2, 3, 5, 10], name: "J" },
    steps: { values: [5, 10, 20, 30, 50], name: "steps" },
    seed: { min: 0, max: 19, step: 1, name: "seed" },
  };

  let count = 0; // painters made, so that each has ids of its own

  const make = (tag, properties = {}, ...children) => {
    const { aria = {}, ...rest } = properties;
    const element = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
    element.append(...children);
    return element;
  };

  /** How much of the brush a pixel gets, from the distance to its middle: 1 inside, 0 outside, smooth between. */
  function brush(distance, radius, softness) {
    const inner = radius * (1 - softness);
    if (distance >= radius) return 0;
    if (distance <= inner) return 1;
    const u = (radius - distance) / (radius - inner);
    return u * u * (3 - 2 * u);
  }

  function distanceToSegment(x, y, [ax, ay], [bx, by]) {
    const [dx, dy] = [bx - ax, by - ay];
    const along = dx || dy ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy))) : 0;
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  }

  class FuzzyPainter extends HTMLElement {
    connectedCallback() {
      // The parser calls this before it has read the fallback inside the element.
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.build(), { once: true });
      else this.build();
    }

    build() {
      if (this.spec) return;
      this.spec = JSON.parse(this.dataset.spec);
      this.prior = gaussian(this.spec);
      this.at = { m: 0, radius: 3, softness: 0, ...this.spec.settings }; // where the controls stand
      this.map = new Float32Array(SIZE * SIZE).fill(1); // multiples of 1/255, so that a file holds them exactly
      this.past = []; // the maps before each change
      this.cursor = [SIZE / 2 - 0.5, SIZE / 2 - 0.5]; // in pixels of the map; the middle of the first one is 0
      this.small = make("canvas", { width: SIZE, height: SIZE });
      this.keys = `fuzzy-painter-keys-${count++}`;
      this.painting = this.paintCanvas();
      this.restored = make("canvas", { width: SIZE * ZOOM, height: SIZE * ZOOM });
      this.restored.setAttribute("role", "img");
      this.line = make("p", { className: "line", aria: { live: "polite", atomic: "true" } });
      this.command = make("code");
      this.replaceChildren(...this.layout());
      // In JupyterLab d d deletes the cell; Control + s may save.
      this.addEventListener("keydown", (event) => event.ctrlKey || event.metaKey || event.stopPropagation());
      this.choose(Object.keys(this.spec.pictures)[0]);
      this.fill(this.spec.start);
      this.past = [];
    }

    layout() {
      const names = Object.keys(this.spec.pictures);
      const button = (text, act) => {
        const made = make("button", { type: "button", textContent: text });
        made.addEventListener("click", act);
        return made;
      };
      const shapes = Object.keys(this.spec.shapes).map((name) => button(name, () => this.fill(name)));
      const save = button("Save map.png", () => this.save());
      const figure = (canvas, ...caption) => make("figure", {}, canvas, make("figcaption", {}, ...caption));
      const group = (legend, ...children) => make("fieldset", {}, make("legend", { textContent: legend }), ...children);
      const blue = make("span", { className: "tint", textContent: "blue" });
      return [
        make(
          "p",
          { className: "prior" },
          "The prior here is not the network, which is too large for a page, but the Gaussian of the same faces, at 32 × 32 " +
            "pixels. That is why what it invents is soft and grainy. The algorithm is the same, and it runs as you paint.",
        ),
        this.select("picture", names, (name) => this.choose(name)),
        make(
          "div",
          { className: "pictures" },
          figure(this.painting, "Given, and your m: the less trust, the more ", blue),
          figure(this.restored, "Restored"),
        ),
        this.line,
        make("p", {
          className: "keys",
          id: this.keys,
          textContent:
            "Paint on the first picture with mouse or finger. By keyboard: arrow keys move the cursor (with Shift by 4 pixels), " +
            "Space or Enter paints, + and − change the radius.",
        }),
        make(
          "div",
          { className: "groups" },
          group(
            "Brush",
            ...["m", "radius", "softness"].map((name) => this.slider(name)),
            make("div", { className: "shapes" }, "Fill with m: ", ...shapes),
            make("div", { className: "shapes" }, button("clear", () => this.clear()), button("undo", () => this.undo())),
          ),
          group(
            "Run",
            ...["scale", "J", "steps", "seed"].map((name) => this.slider(name)),
            this.select("m per", ["fusion", "run"], (per) => this.set("per", per, `m per ${per}`)),
            this.check("correction", "fix"),
          ),
        ),
        make("p", { className: "save" }, save, " then restore a face of your own that fills photo.png, with the network: ", this.command),
      ];
    }

    paintCanvas() {
      const canvas = make("canvas", { width: SIZE * ZOOM, height: SIZE * ZOOM, tabIndex: 0, className: "map" });
      canvas.setAttribute("role", "application"); // so that a screen reader hands the arrow keys on
      canvas.setAttribute("aria-describedby", this.keys);
      canvas.addEventListener("keydown", (event) => this.key(event));
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        canvas.setPointerCapture(event.pointerId);
        this.begin();
        this.cursor = this.place(event);
        this.dab(this.cursor, this.cursor);
      });
      canvas.addEventListener("pointermove", (event) => {
        const from = this.cursor;
        this.cursor = this.place(event);
        if (this.stroke) this.dab(from, this.cursor);
        this.drawMap();
      });
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.end());
      for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.drawMap());
      return canvas;
    }

    slider(name) {
      const { values, name: text, ...range } = SLIDERS[name];
      const output = make("output");
      output.setAttribute("aria-live", "off"); // the slider speaks its value itself
      const input = make("input", { type: "range", autocomplete: "off", aria: { label: text } });
      Object.assign(input, values ? { min: 0, max: values.length - 1, step: 1 } : range);
      input.value = values ? values.indexOf(this.at[name]) : this.at[name];
      const show = () => {
        output.value = this.at[name];
        input.setAttribute("aria-valuetext", this.at[name]);
      };
      input.addEventListener("input", () => {
        this.at[name] = values ? values[input.value] : Number(input.value);
        show();
        if (name in this.spec.settings) this.changed(`${text} ${this.at[name]}`);
        else this.drawMap();
      });
      show();
      if (name === "radius") this.setRadius = (radius) => ((input.value = radius), input.dispatchEvent(new Event("input")));
      return make("label", {}, make("span", { textContent: text }), input, output);
    }

    select(text, options, act) {
      const made = options.map((option) => make("option", { textContent: option }));
      const select = make("select", { autocomplete: "off", aria: { label: text } }, ...made);
      select.addEventListener("change", () => act(select.value));
      return make("label", { className: "wide" }, make("span", { textContent: text }), select);
    }

    check(text, name) {
      const input = make("input", { type: "checkbox", checked: this.at[name], autocomplete: "off", aria: { label: text } });
      input.addEventListener("change", () => this.set(name, input.checked, `${text} ${input.checked ? "on" : "off"}`));
      return make("label", { className: "wide" }, make("span", { textContent: text }), input);
    }

    set(name, value, said) {
      this.at[name] = value;
      this.changed(said);
    }

    choose(name) {
      this.y = picture(this.spec.pictures[name]);
      this.set("picture", name, `Picture: ${name}`);
    }

    // Painting. A stroke blends the map it began with, as strongly as its strongest touch of a pixel, with the brush's m.

    begin() {
      this.past.push(this.map.slice());
      this.stroke = new Float32Array(SIZE * SIZE);
      this.line.setAttribute("aria-live", "off"); // until the stroke is done
    }

    dab(from, to) {
      const { m, radius, softness } = this.at;
      const before = this.past.at(-1);
      for (let y = 0, i = 0; y < SIZE; y++) {
        for (let x = 0; x < SIZE; x++, i++) {
          const touch = brush(distanceToSegment(x, y, from, to), radius, softness);
          if (touch <= this.stroke[i]) continue;
          this.stroke[i] = touch;
          this.map[i] = Math.round(255 * (before[i] + touch * (m - before[i]))) / 255;
        }
      }
      this.changed(`Painted m = ${m} at ${this.where()}`);
    }

    end() {
      if (!this.stroke) return;
      this.stroke = null;
      this.line.setAttribute("aria-live", "polite");
      this.changed(this.said);
    }

    fill(name) {
      this.past.push(this.map.slice());
      const m = Math.round(255 * this.at.m) / 255;
      for (const [left, top, right, bottom] of this.spec.shapes[name])
        for (let y = top; y < bottom; y++) this.map.fill(m, y * SIZE + left, y * SIZE + right);
      this.changed(`Filled ${name} with m = ${this.at.m}`);
    }

    clear() {
      this.past.push(this.map.slice());
      this.map.fill(1);
      this.changed("Cleared: m = 1 everywhere");
    }

    undo() {
      if (!this.past.length) return this.changed("Nothing to undo");
      this.map = this.past.pop();
      this.changed("Undone");
    }

    place(event) {
      const box = this.painting.getBoundingClientRect();
      const pixel = (at, from, length) => Math.min(SIZE - 1, Math.max(0, ((at - from) / length) * SIZE - 0.5));
      return [pixel(event.clientX, box.left, box.width), pixel(event.clientY, box.top, box.height)];
    }

    where() {
      const [column, row] = this.cursor.map((at) => Math.round(at) + 1);
      return `column ${column}, row ${row}`;
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const far = event.shiftKey ? 4 : 1;
      if (moves[event.key]) {
        const go = (at, by) => Math.min(SIZE - 1, Math.max(0, Math.round(at) + far * by));
        this.cursor = this.cursor.map((at, axis) => go(at, moves[event.key][axis]));
        const [column, row] = this.cursor;
        this.say(`Cursor at ${this.where()}, m = ${this.map[row * SIZE + column].toFixed(2)} there`);
        this.drawMap();
      } else if (event.key === " " || event.key === "Enter") {
        this.begin();
        this.dab(this.cursor, this.cursor);
        this.end();
      } else if ("+=-−".includes(event.key)) {
        const radius = this.at.radius + ("+=".includes(event.key) ? 1 : -1);
        this.setRadius(Math.min(SLIDERS.radius.max, Math.max(SLIDERS.radius.min, radius)));
        this.say(`Radius ${this.at.radius}`);
      } else return;
      event.preventDefault();
    }

    // Restoring and showing.

    changed(said) {
      this.said = said;
      this.drawMap();
      if (this.waiting) return;
      this.waiting = true;
      setTimeout(() => this.run(), this.ms > 100 ? 2 * this.ms : 0); // a slow run does not hold up the brush
    }

    run() {
      this.waiting = false;
      const begin = performance.now();
      const { scale, steps, J, seed, per, fix } = this.at;
      const m = this.map.map((value) => scale * value);
      const { x, calls } = fuzzy(this.prior, this.y, m, { steps, repeats: J, seed, per, fix });
      this.ms = performance.now() - begin;
      this.result = { x, m, calls };
      this.show(this.restored, (i, colour) => 127.5 * (x[colour * m.length + i] + 1));
      const distance = (weight) => {
        let [sum, all] = [0, 0];
        for (let i = 0; i < x.length; i++) {
          sum += weight(m[i % m.length]) * (x[i] - this.y[i]) ** 2;
          all += weight(m[i % m.length]);
        }
        return all ? Math.sqrt(sum / all).toFixed(2) : "–";
      };
      const mean = m.reduce((sum, value) => sum + value, 0) / m.length;
      this.numbers =
        `Mean trust ${mean.toFixed(2)}. Distance from the given picture: ${distance((w) => w)} where trusted, ` +
        `${distance((w) => 1 - w)} elsewhere. ${calls} calls of the prior.`;
      this.restored.setAttribute("aria-label", `What is restored of ${this.at.picture}. ${this.numbers}`);
      this.say(this.said);
      const options = [
        scale < 1 && `--m ${scale}`,
        `--steps ${steps} --repeats ${J}`,
        seed && `--seed ${seed}`,
        per === "run" && "--set share=true",
        !fix && "--set rescale=false",
      ];
      const chosen = options.filter(Boolean).join(" ");
      this.command.textContent = `fuzzydiff restore photo.png --mask map.png ${chosen} -o restored.png`;
    }

    say(text) {
      this.said = text; // a run that is still to come says it again, with its numbers
      this.line.replaceChildren(make("strong", { textContent: `${text}.` }), ` ${this.numbers ?? ""}`);
    }

    /** Put a picture of 32 x 32 pixels on a canvas, enlarged; `value(i, colour)` is 0 to 255. */
    show(canvas, value) {
      const image = new ImageData(SIZE, SIZE);
      for (let i = 0; i < SIZE * SIZE; i++) {
        for (let colour = 0; colour < 3; colour++) image.data[4 * i + colour] = value(i, colour); // rounds and clamps
        image.data[4 * i + 3] = 255;
      }
      this.small.getContext("2d").putImageData(image, 0, 0);
      const pen = canvas.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(this.small, 0, 0, canvas.width, canvas.height);
      return pen;
    }

    drawMap() {
      const pen = this.show(this.painting, (i, colour) => {
        const clear = 0.2 + 0.8 * this.map[i];
        return clear * 127.5 * (this.y[colour * SIZE * SIZE + i] + 1) + (1 - clear) * this.spec.tint[colour];
      });
      const [x, y] = this.cursor.map((at) => (at + 0.5) * ZOOM);
      for (const [style, width] of [["black", 4], ["white", 2]]) {
        pen.beginPath();
        pen.arc(x, y, this.at.radius * ZOOM, 0, 2 * Math.PI);
        Object.assign(pen, { strokeStyle: style, lineWidth: width }).stroke();
      }
      const label = `The map m over ${this.at.picture}, to paint on. Cursor at ${this.where()}`;
      this.painting.setAttribute("aria-label", label);
    }

    save() {
      const side = 2 * SIZE; // what `fuzzydiff restore --mask` wants for its square
      const canvas = make("canvas", { width: side, height: side });
      const image = new ImageData(side, side);
      for (let i = 0; i < side * side; i++) {
        const [x, y] = [i % side >> 1, Math.floor(i / side) >> 1];
        image.data.fill(Math.round(255 * this.map[y * SIZE + x]), 4 * i, 4 * i + 3);
        image.data[4 * i + 3] = 255;
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      const link = make("a", { href: canvas.toDataURL("image/png"), download: "map.png" });
      link.click();
      this.say("Saved map.png, 64 × 64 pixels");
    }
  }

  customElements.define("fuzzy-painter", FuzzyPainter);
})();
