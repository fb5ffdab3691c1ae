// Pictures on canvases, and the map m, painted on one.
const ZOOM = 8; // pixels of a canvas for one of the picture
const PAINTING =
  "Paint what is to be invented. Keys: arrows move (with Shift by 8), Space paints, + and − size, Control + Z undoes.";

const blankCanvas = (side = SIZE * ZOOM, more = {}) => make("canvas", { width: side, height: side, ...more });

/** The picture file in a data URI, decoded beside the page's own work. */
const bitmapOf = async (uri) => createImageBitmap(await (await fetch(uri)).blob());

/** What a canvas or bitmap shows, as a picture (3, 64, 64) in [-1, 1]. */
function pictureOf(source, left = 0, top = 0) {
  const pen = blankCanvas(SIZE).getContext("2d", { willReadFrequently: true });
  pen.drawImage(source, left, top, SIZE, SIZE, 0, 0, SIZE, SIZE);
  const { data } = pen.getImageData(0, 0, SIZE, SIZE);
  const at = (i) => 4 * (i % PIXELS) + Math.floor(i / PIXELS);
  return Float32Array.from({ length: 3 * PIXELS }, (_, i) => data[at(i)] / 127.5 - 1);
}

/** Pixels of 8 bits, of a picture (3, 64, 64) in [-1, 1] or outside, or of `value(i, colour)`, 0 to 255. */
function imageOf(picture, value = (i, colour) => 127.5 * (picture[colour * PIXELS + i] + 1)) {
  const image = new ImageData(SIZE, SIZE);
  for (let i = 0; i < PIXELS; i++) {
    for (let colour = 0; colour < 3; colour++) image.data[4 * i + colour] = value(i, colour); // rounds and clamps
    image.data[4 * i + 3] = 255;
  }
  return image;
}

const smallCanvas = (image) => {
  const canvas = blankCanvas(SIZE);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

/** Put pixels on a canvas, enlarged; the part left of `until`, a share of the width, if that is given. */
function show(canvas, image, until = 1) {
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  const width = Math.round(until * canvas.width);
  if (width) pen.drawImage(smallCanvas(image), 0, 0, until * SIZE, SIZE, 0, 0, width, canvas.height);
  return pen;
}

/** The mean of each block of `factor` x `factor` pixels, in all of them. */
function blocks(picture, factor) {
  const out = new Float32Array(picture.length);
  const side = SIZE / factor;
  const sums = new Float64Array(3 * side * side);
  const block = (i) => {
    const [colour, y, x] = [Math.floor(i / PIXELS), Math.floor((i % PIXELS) / SIZE), i % SIZE];
    return (colour * side + Math.floor(y / factor)) * side + Math.floor(x / factor);
  };
  picture.forEach((value, i) => (sums[block(i)] += value / factor ** 2));
  return out.map((_, i) => sums[block(i)]);
}

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

/**
 * The map m over a picture, to paint on by mouse, finger, pen or keys. Its values are multiples of 1/255, so that a
 * file holds them. `changed(said)` is called when it has changed, `moved(said)` when only the cursor has.
 */
class MapPainter {
  constructor({ tint, shapes, parts }, changed, moved) {
    Object.assign(this, { tint, shapes, parts, changed, moved });
    this.brush = { m: 0, radius: 5, softness: 0 };
    this.map = new Float32Array(PIXELS).fill(1);
    this.past = []; // the maps before each change
    this.future = []; // those that were undone
    this.cursor = [SIZE / 2 - 0.5, SIZE / 2 - 0.5]; // in pixels of the map; the middle of the first one is 0
    this.shown = (value) => value; // what a method makes of a value of the map
    const on = {
      keydown: (event) => this.key(event),
      pointerdown: (event) => this.press(event),
      pointermove: (event) => this.move(event),
      focus: () => this.draw(),
      blur: () => this.draw(),
    };
    const up = (event) => event.pointerId === this.finger && this.end();
    Object.assign(on, { pointerup: up, pointercancel: up });
    on.pointerleave = () => this.draw();
    const aria = { role: "application", label: "The map m over the given picture, to paint on", description: PAINTING };
    this.canvas = blankCanvas(SIZE * ZOOM, { tabIndex: 0, className: "map", on, aria });
  }

  /** The name of the shape that fills the map with 0 on 1, if one does. */
  get shape() {
    return Object.keys(this.shapes).find((name) => this.filled(name, 0).every((value, i) => value === this.map[i]));
  }

  filled(name, m, from = new Float32Array(PIXELS).fill(1)) {
    for (const [left, top, right, bottom] of this.shapes[name])
      for (let y = top; y < bottom; y++) from.fill(m, y * SIZE + left, y * SIZE + right);
    return from;
  }

  keep() {
    this.past.push(this.map.slice());
    this.future = [];
  }

  set(map, said) {
    this.end();
    this.keep();
    this.map = map;
    this.draw();
    this.changed(said);
  }

  /** A mask begins anew, a part of the face is filled in what is there. */
  fill(name) {
    const m = Math.fround(Math.round(255 * this.brush.m) / 255);
    const from = this.parts.includes(name) ? this.map.slice() : undefined;
    this.set(this.filled(name, m, from), `Filled ${name} with m = ${this.brush.m}`);
  }

  clear() {
    this.set(new Float32Array(PIXELS).fill(1), "Cleared: the map is 1 everywhere");
  }

  undo(from = this.past, to = this.future, said = "Undone") {
    this.end();
    if (!from.length) return this.moved(`Nothing to ${said === "Undone" ? "undo" : "redo"}`);
    to.push(this.map);
    this.map = from.pop();
    this.draw();
    this.changed(said);
  }

  redo() {
    this.undo(this.future, this.past, "Done again");
  }

  // A stroke blends the map it began with, as strongly as its strongest touch of a pixel, with the brush's m.

  press(event) {
    if (event.button || this.stroke) return; // one finger paints
    this.finger = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.begin();
    this.cursor = this.place(event);
    this.dab(this.cursor, this.cursor);
  }

  move(event) {
    if (this.stroke && event.pointerId !== this.finger) return;
    const from = this.cursor;
    this.cursor = this.place(event);
    if (this.stroke) this.dab(from, this.cursor);
    else this.draw(true);
  }

  begin() {
    this.end();
    this.keep();
    this.stroke = new Float32Array(PIXELS);
  }

  dab(from, to) {
    const { m, radius, softness } = this.brush;
    const before = this.past.at(-1);
    for (let y = 0, i = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++, i++) {
        const touch = brush(distanceToSegment(x, y, from, to), radius, softness);
        if (touch <= this.stroke[i]) continue;
        this.stroke[i] = touch;
        this.map[i] = Math.round(255 * (before[i] + touch * (m - before[i]))) / 255;
      }
    }
    this.draw(true);
  }

  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.changed(`Painted m = ${this.brush.m} at ${this.where()}`);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const pixel = (at, from, length) => Math.min(SIZE - 1, Math.max(0, ((at - from) / length) * SIZE - 0.5));
    return [pixel(event.clientX, box.left, box.width), pixel(event.clientY, box.top, box.height)];
  }

  where() {
    const [column, row] = this.cursor.map((at) => Math.round(at) + 1);
    return `column ${column}, row ${row}`;
  }

  key(event) {
    const { key, shiftKey } = event;
    if ((event.ctrlKey || event.metaKey) && "zZyY".includes(key)) {
      event.preventDefault();
      event.stopPropagation();
      return shiftKey || "yY".includes(key) ? this.redo() : this.undo();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[key]) {
      const go = (at, by) => Math.min(SIZE - 1, Math.max(0, Math.round(at) + (shiftKey ? 8 : 1) * by));
      this.cursor = this.cursor.map((at, axis) => go(at, moves[key][axis]));
      const [column, row] = this.cursor;
      this.draw(true);
      this.moved(`Cursor at ${this.where()}, m = ${this.map[row * SIZE + column].toFixed(2)} there`);
    } else if (key === " " || key === "Enter") {
      this.begin();
      this.dab(this.cursor, this.cursor);
      this.end();
    } else if ("+=-−".includes(key)) this.resize("+=".includes(key) ? 1 : -1);
    else return;
    event.preventDefault();
  }

  /** Draw the picture under the map, and the brush's outline if `outlined` or in focus. */
  draw(outlined = document.activeElement === this.canvas) {
    if (!this.picture) return;
    const image = imageOf(this.picture, (i, colour) => {
      const clear = 0.2 + 0.8 * this.shown(this.map[i]);
      return clear * 127.5 * (this.picture[colour * PIXELS + i] + 1) + (1 - clear) * this.tint[colour];
    });
    const pen = show(this.canvas, image);
    if (!outlined) return;
    const [x, y] = this.cursor.map((at) => (at + 0.5) * ZOOM);
    for (const [style, width] of [["black", 4], ["white", 2]]) {
      pen.beginPath();
      pen.arc(x, y, this.brush.radius * ZOOM, 0, 2 * Math.PI);
      Object.assign(pen, { strokeStyle: style, lineWidth: width }).stroke();
    }
  }
}

/** The brush of a MapPainter, shapes to fill, and the way back. `say` is told what a key has changed. */
function brushControls(painter, { shapes, parts }, say) {
  const tenths = Array.from({ length: 11 }, (_, i) => i / 10);
  const radii = Array.from({ length: 24 }, (_, i) => i + 1);
  const set = (name) => (value) => {
    painter.brush[name] = value;
    painter.draw(true);
  };
  const radius = slider({ name: "radius", values: radii }, painter.brush.radius, set("radius"));
  painter.resize = (by) => {
    const to = Math.min(24, Math.max(1, painter.brush.radius + by));
    radius.put(to);
    set("radius")(to);
    say(`Radius ${to}`);
  };
  const row = (legend, label, names, act) => {
    const buttons = names.map((name) => button(name, () => act(name)));
    const first = make("span", { textContent: legend });
    return make("div", { className: "buttons", aria: { role: "group", label } }, first, ...buttons);
  };
  const fill = (name) => painter.fill(name);
  const masks = Object.keys(shapes).filter((name) => !parts.includes(name));
  return make(
    "div",
    { className: "brushes" },
    make("p", { className: "small", textContent: PAINTING }),
    slider({ name: "brush: m", values: tenths, hint: "0 invents, 1 keeps" }, painter.brush.m, set("m")).element,
    radius.element,
    slider({ name: "softness", values: tenths }, painter.brush.softness, set("softness")).element,
    row("mask", "Masks, filled with the brush's m", masks, fill),
    row("part", "Parts of the face, filled with the brush's m", parts, fill),
    row("map", "The map", ["undo", "redo", "clear"], (name) => painter[name]()),
  );
}
