// What a run gives: the picture, large; its film; before and after; which pixels were kept; several answers in a row.
const NEAR = 0.1; // a pixel this close to the given one, in [-1, 1], counts as kept
const ORANGE = [230, 159, 0]; // covers what was changed
const VIEWS = { result: "result", compare: "before | after", kept: "what is as given" };

/** One of several things to see, as a row of radio buttons. */
function choice(label, options, act) {
  const name = `workbench-${Math.random()}`; // each row has one of its own
  const rows = Object.entries(options).map(([value, text]) => {
    const input = make("input", { type: "radio", name, value, autocomplete: "off" });
    input.addEventListener("change", () => act(value));
    return make("label", { className: "choice" }, input, make("span", { textContent: text }));
  });
  rows[0].firstChild.checked = true;
  return make("div", { className: "choices", aria: { role: "radiogroup", label } }, ...rows);
}

/** For each pixel 0 where it was invented, 1 where it was changed, 2 where it was kept. */
function fateOf(x, given, map) {
  const fates = new Uint8Array(PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    let apart = 0;
    for (let j = i; j < 3 * PIXELS; j += PIXELS) apart += Math.abs(x[j] - given[j]) / 3;
    fates[i] = map && map[i] === 0 ? 0 : apart < NEAR ? 2 : 1;
  }
  return fates;
}

/** How much pictures differ in the pixels that `wanted(i)` names: the mean of their standard deviations, or null. */
function spreadOf(xs, wanted) {
  let [sum, count] = [0, 0];
  for (let i = 0; i < 3 * PIXELS; i++) {
    if (!wanted(i % PIXELS)) continue;
    const mean = xs.reduce((total, x) => total + x[i], 0) / xs.length;
    sum += Math.sqrt(xs.reduce((total, x) => total + (x[i] - mean) ** 2, 0) / (xs.length - 1));
    count += 1;
  }
  return count ? sum / count : null;
}

/**
 * A figure of one result, { x, given, map, film, caption }: `given` is null where no picture was given, and `map`, that
 * of the sampler, null where it took none. `actions` stand below the picture.
 */
class Results {
  constructor(tint, ...actions) {
    Object.assign(this, { tint, view: "result", until: 0.5, frame: Infinity, film: [] });
    this.hero = blankCanvas(SIZE * ZOOM, { className: "hero", aria: { role: "img" } });
    this.caption = make("figcaption");
    this.views = choice("Show", VIEWS, (view) => this.draw({ view }));
    const values = Array.from({ length: 21 }, (_, i) => i / 20);
    const text = (share) => `${Math.round(100 * share)} %`;
    this.compare = slider({ name: "before", values, text }, this.until, (until) => this.draw({ until })).element;
    this.legend = make("p", { className: "small legend" });
    this.strip = this.filmStrip();
    const below = [this.views, this.compare, this.legend, this.strip];
    this.element = make("figure", { className: "result" }, this.caption, this.hero, ...actions, ...below);
    this.row = make("div", { className: "answers", hidden: true });
    this.say("Nothing made yet");
    this.draw({});
  }

  /** What the picture is, for those who see it and those who do not. */
  say(caption) {
    this.caption.textContent = caption;
    this.hero.setAttribute("aria-label", caption);
  }

  filmStrip() {
    const small = (label) => blankCanvas(SIZE * 2, { aria: { role: "img", label } });
    this.stills = { x: small("The noisy picture"), x0: small("What the network expects of it") };
    const aria = { label: "step of the film" };
    this.scrub = make("input", { type: "range", min: 0, step: 1, autocomplete: "off", aria });
    this.scrub.addEventListener("input", () => this.draw({ frame: Number(this.scrub.value) }));
    this.step = make("span", { className: "small" });
    return make(
      "div",
      { className: "film" },
      make("figure", {}, this.stills.x, make("figcaption", {}, "noisy, x", make("sub", { textContent: "t" }))),
      make("figure", {}, this.stills.x0, make("figcaption", {}, "expected, x̂", make("sub", { textContent: "0" }))),
      make("label", { className: "scrub" }, make("span", { textContent: "film" }), this.scrub, this.step),
    );
  }

  /** Show a step while it is made. */
  showFrame(frame, caption) {
    show(this.hero, frame.x0);
    this.showStills(frame);
    this.say(caption);
    for (const element of [this.views, this.compare, this.legend]) element.hidden = true;
    this.stale = false;
  }

  showStills(frame) {
    this.strip.hidden = false;
    for (const name of ["x", "x0"]) show(this.stills[name], frame[name]);
    const text = `step ${frame.number} of ${frame.of}, level ${frame.level}`;
    this.step.textContent = text;
    this.scrub.setAttribute("aria-valuetext", text);
  }

  /** Show a result, from its end. */
  showResult({ x, given, map, film, caption }) {
    Object.assign(this, { x, given, map, film });
    this.said = caption;
    this.scrub.max = Math.max(0, film.length - 1);
    this.scrub.value = this.scrub.max;
    this.stale = false;
    this.draw({ frame: Infinity });
  }

  /** Whether the picture belongs to other settings than those that stand there. */
  set stale(stale) {
    this.element.classList.toggle("stale", stale);
  }

  get stale() {
    return this.element.classList.contains("stale");
  }

  draw(to) {
    Object.assign(this, to);
    const { x, given, map, film, frame, until } = this;
    const view = given ? this.view : "result";
    this.views.hidden = !given || !x;
    this.compare.hidden = view !== "compare";
    this.legend.hidden = view !== "kept";
    this.strip.hidden = !film.length;
    if (!x) return;
    const still = film[Math.min(frame, film.length - 1)];
    if (still) this.showStills(still);
    this.say(frame < film.length - 1 ? "What the network expected then" : this.said);
    if (frame < film.length - 1) show(this.hero, still.x0);
    else if (view === "kept") this.drawFates(fateOf(x, given, map));
    else show(this.hero, imageOf(x));
    if (view === "compare") show(this.hero, imageOf(given), until);
  }

  drawFates(fates) {
    const cover = [this.tint, ORANGE];
    const bare = [0.3, 0.4, 1]; // how much of the picture is seen through
    const value = (i, colour) => {
      const clear = bare[fates[i]];
      return clear * 127.5 * (this.x[colour * PIXELS + i] + 1) + (1 - clear) * (cover[fates[i]]?.[colour] ?? 0);
    };
    show(this.hero, imageOf(null, value));
    const share = (fate) => `${Math.round((100 * fates.filter((value) => value === fate).length) / PIXELS)} %`;
    const swatch = (className, text) => make("span", { className, textContent: text });
    const parts = [`Not covered: within ${NEAR} of the given picture (black to white is 2), ${share(2)}. `];
    parts.push(swatch("changed", "orange"), `: further away, ${share(1)}. `);
    this.legend.replaceChildren(...parts, swatch("tint", "blue"), `: invented, ${share(0)}.`);
  }

  /** Show answers of several seeds beside each other; a press on one calls `choose(index)`. */
  showRow(answers, chosen, map, choose) {
    this.row.hidden = answers.length < 2;
    const held = [...this.row.children].indexOf(document.activeElement);
    const shown = answers.map(({ seed, x, film }, index) => {
      const canvas = blankCanvas(SIZE * 2);
      if (x || film.length) show(canvas, x ? imageOf(x) : film.at(-1).x0);
      const aria = { label: `answer of seed ${seed}`, pressed: String(index === chosen) };
      const made = button("", () => choose(index), { aria, disabled: !x });
      made.append(canvas, make("span", { className: "small", textContent: `seed ${seed}` }));
      return made;
    });
    this.row.replaceChildren(...shown, make("p", { className: "small", textContent: this.spread(answers, map) }));
    this.row.children[held]?.focus();
  }

  /** Redraw one answer of the row while it is made. */
  showInRow(index, image) {
    const canvas = this.row.children[index].querySelector?.("canvas");
    if (canvas) show(canvas, image);
  }

  spread(answers, map) {
    const xs = answers.map(({ x }) => x);
    if (!xs.every(Boolean) || xs.length < 2) return "";
    const places = [
      ["where all is invented", (m) => m === 0],
      ["where some is kept", (m) => m > 0 && m < 1],
      ["where all is kept", (m) => m === 1],
    ];
    const spreads = map
      ? places.map(([where, holds]) => [spreadOf(xs, (i) => holds(map[i])), where])
      : [[spreadOf(xs, () => true), "in a pixel"]];
    const found = spreads.filter(([spread]) => spread !== null);
    const parts = found.map(([spread, where]) => `${spread.toFixed(2)} ${where}`);
    const alone = "The answers differ by their noise alone. Black to white is 2.";
    return `${alone} A pixel varies (standard deviation) by ${parts.join(", by ")}.`;
  }
}
