// <fuzzy-explorer data-spec="…">: sliders and select boxes over precomputed frames. Written by fuzzydiff_lite/widgets.py.
// A classic script without dependencies, so that it also runs from file://. Without it the fallback <img> stays.
(() => {
  if (customElements.get("fuzzy-explorer")) return; // the page may load this file twice

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  class FuzzyExplorer extends HTMLElement {
    connectedCallback() {
      // The parser calls this before it has read the fallback inside the element.
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.build(), { once: true });
      else this.build();
    }

    build() {
      if (this.spec) return;
      this.spec = JSON.parse(this.dataset.spec);
      this.at = {}; // name -> position on its axis
      let rest = this.spec.start;
      for (const [name, labels] of Object.entries(this.spec.axes).reverse()) {
        this.at[name] = rest % labels.length; // frames are in the order of nested loops, the last axis innermost
        rest = Math.floor(rest / labels.length);
      }
      const names = Object.keys(this.spec.axes);
      const controls = names.map((name) => (this.spec.sliders.includes(name) ? this.slider(name) : this.select(name)));
      this.prepend(make("div", { className: "controls" }, ...controls));
      const paragraph = this.querySelector("p");
      paragraph.setAttribute("aria-live", "polite");
      paragraph.dataset.longest = this.spec.texts.reduce((a, b) => (b.length > a.length ? b : a)); // keeps its room free
      this.line = paragraph.firstElementChild;
      this.sprite = new Image();
      this.sprite.onload = () => this.showPicture();
      this.sprite.src = this.spec.sprite;
    }

    slider(name) {
      const labels = this.spec.axes[name];
      const output = make("output", { value: labels[this.at[name]] });
      output.setAttribute("aria-live", "off"); // the slider speaks its value itself
      const input = make("input", { type: "range", min: 0, max: labels.length - 1, step: 1, autocomplete: "off" });
      input.value = this.at[name];
      input.setAttribute("aria-label", name);
      input.setAttribute("aria-valuetext", labels[this.at[name]]);
      input.addEventListener("input", () => {
        output.value = labels[input.value];
        input.setAttribute("aria-valuetext", labels[input.value]);
        this.move(name, Number(input.value));
      });
      return make("label", {}, make("span", { textContent: name }), input, output);
    }

    select(name) {
      const options = this.spec.axes[name].map((label) => make("option", { textContent: label }));
      const select = make("select", { autocomplete: "off" }, ...options);
      select.selectedIndex = this.at[name];
      select.addEventListener("change", () => this.move(name, select.selectedIndex));
      select.setAttribute("aria-label", name);
      return make("label", {}, make("span", { textContent: name }), select);
    }

    move(name, position) {
      this.at[name] = position;
      this.line.textContent = this.spec.texts[this.frame()];
      if (this.canvas) this.draw();
    }

    frame() {
      return Object.entries(this.spec.axes).reduce((index, [name, labels]) => index * labels.length + this.at[name], 0);
    }

    showPicture() {
      const [width, height] = this.spec.tile;
      this.canvas = make("canvas", { width, height, className: this.spec.scale > 1 ? "pixels" : "" });
      this.canvas.style.width = `${this.spec.scale * width}px`;
      this.canvas.setAttribute("role", "img");
      this.querySelector("img").replaceWith(this.canvas);
      this.draw();
    }

    draw() {
      const [width, height] = this.spec.tile;
      const frame = this.frame();
      const left = (frame % this.spec.columns) * width;
      const top = Math.floor(frame / this.spec.columns) * height;
      this.canvas.getContext("2d").drawImage(this.sprite, left, top, width, height, 0, 0, width, height);
      const label = (match, name) => this.spec.axes[name][this.at[name]];
      this.canvas.setAttribute("aria-label", this.spec.alt.replace(/\{(\w+)\}/g, label));
    }
  }

  customElements.define("fuzzy-explorer", FuzzyExplorer);
})();
