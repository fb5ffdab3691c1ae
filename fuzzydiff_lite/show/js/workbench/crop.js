// A picture of the reader's own: read from a file, placed in a square by hand, reduced to 64 x 64. It stays here.
const LARGEST = 2048; // pixels of the longer side that is worked with
const MOST = 64; // millions of pixels that are decoded
const LEAST = 16; // pixels of the shorter side

/** An image file as an upright bitmap of at most LARGEST pixels a side. Throws an Error that says what is wrong. */
async function readImage(file) {
  const [width, height] = await sizeOfImage(file);
  const pixels = `${file.name} has ${width} × ${height} pixels`;
  if (Math.min(width, height) < LEAST) throw new Error(`${pixels}: at least ${LEAST} × ${LEAST} are needed.`);
  if (width * height > MOST * 1e6) throw new Error(`${pixels}, more than ${MOST} million: reduce it first.`);
  const how = { imageOrientation: "from-image" };
  const scale = LARGEST / Math.max(width, height);
  if (scale < 1) Object.assign(how, { resizeWidth: Math.round(scale * width), resizeQuality: "high" });
  try {
    return await createImageBitmap(file, how);
  } catch {
    throw new Error(`${file.name} could not be decoded: it may be broken, or too large for the memory.`);
  }
}

/** Width and height as shown, after the file's own orientation, before its pixels are decoded. */
async function sizeOfImage(file) {
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: url }));
    return [image.naturalWidth, image.naturalHeight];
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read: choose a JPEG, PNG or WebP file.`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Choose a square of a bitmap: drag, zoom, turn. `use(picture)` gets it, `leave()` is called when it is not wanted. */
class Cropper {
  constructor(bitmap, { eyes, mouth }, use, leave) {
    Object.assign(this, { bitmap, eyes, mouth });
    const { width, height } = bitmap;
    this.whole = Math.min(width, height);
    // The square's middle and side, in pixels of the bitmap; the fine turn is in degrees.
    this.at = { x: width / 2, y: height / 2, side: this.whole, quarters: 0, fine: 0 };
    this.pointers = new Map(); // where each finger is
    const on = { keydown: (event) => this.key(event) };
    on.pointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    };
    on.pointermove = (event) => this.drag(event);
    for (const name of ["pointerup", "pointercancel"]) on[name] = (event) => this.pointers.delete(event.pointerId);
    const label =
      "Your picture in the square. Drag it; arrow keys move it, plus and minus zoom, comma and full stop turn it";
    const aria = { role: "application", label };
    this.canvas = blankCanvas(SIZE * ZOOM, { tabIndex: 0, className: "crop", on, aria });
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.zoom = this.slider("zoom", 0, 4, 0.05, 0, (value) => this.set({ side: this.whole / 2 ** value }));
    this.fine = this.slider("turn", -45, 45, 1, 0, (fine) => this.set({ fine }));
    const quarter = button("turn by 90°", () => this.set({ quarters: (this.at.quarters + 1) % 4 }));
    this.element = make(
      "div",
      { className: "cropper" },
      this.canvas,
      this.zoom,
      this.fine,
      make(
        "div",
        { className: "buttons" },
        button("Use this square", () => use(this.square()), { className: "primary" }),
        quarter,
        button("Discard", leave),
      ),
    );
    this.draw();
  }

  slider(name, min, max, step, value, act) {
    const input = make("input", { type: "range", min, max, step, value, autocomplete: "off", aria: { label: name } });
    input.addEventListener("input", () => act(Number(input.value)));
    return make("label", {}, make("span", { textContent: name }), input);
  }

  set(to) {
    Object.assign(this.at, to);
    const { bitmap, at, whole } = this;
    at.side = Math.min(whole, Math.max(whole / 16, at.side));
    at.x = Math.min(bitmap.width, Math.max(0, at.x));
    at.y = Math.min(bitmap.height, Math.max(0, at.y));
    at.fine = Math.min(45, Math.max(-45, at.fine));
    this.zoom.lastChild.value = Math.log2(whole / at.side);
    this.fine.lastChild.value = at.fine;
    this.draw();
  }

  /** How far the picture is turned, clockwise in radians. */
  get turn() {
    return ((90 * this.at.quarters + this.at.fine) * Math.PI) / 180;
  }

  /** Move the picture by (dx, dy), in shares of the square as it is shown. */
  shift(dx, dy) {
    const { x, y, side } = this.at;
    const [cos, sin] = [Math.cos(this.turn), Math.sin(this.turn)];
    this.set({ x: x - side * (cos * dx + sin * dy), y: y - side * (cos * dy - sin * dx) });
  }

  drag(event) {
    if (!this.pointers.has(event.pointerId)) return;
    const { clientWidth } = this.canvas;
    const before = [...this.pointers.values()];
    const [fromX, fromY] = this.pointers.get(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    const after = [...this.pointers.values()];
    const share = 1 / (clientWidth * before.length); // two fingers move it by half each
    this.shift((event.offsetX - fromX) * share, (event.offsetY - fromY) * share);
    if (before.length < 2) return;
    const apart = ([[ax, ay], [bx, by]]) => Math.hypot(ax - bx, ay - by);
    this.set({ side: (this.at.side * apart(before)) / Math.max(1, apart(after)) });
  }

  wheel(event) {
    event.preventDefault();
    this.set({ side: this.at.side * 1.1 ** Math.sign(event.deltaY) });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 0.1 : 0.02;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) this.shift(...moves[event.key].map((by) => far * by));
    else if ("+=".includes(event.key)) this.set({ side: this.at.side / 1.05 });
    else if ("-−".includes(event.key)) this.set({ side: this.at.side * 1.05 });
    else if (",.".includes(event.key)) this.set({ fine: this.at.fine + (event.key === "," ? -1 : 1) });
    else return;
    event.preventDefault();
  }

  /** The square on a canvas of any size, white where the picture ends. */
  drawOn(canvas) {
    const { x, y, side } = this.at;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.save();
    pen.imageSmoothingQuality = "high";
    pen.translate(canvas.width / 2, canvas.height / 2);
    pen.rotate(this.turn);
    pen.scale(canvas.width / side, canvas.width / side);
    pen.drawImage(this.bitmap, -x, -y);
    pen.restore();
    return pen;
  }

  draw() {
    const pen = this.drawOn(this.canvas);
    const marks = [...this.eyes.map((eye) => [eye, 4, 2.5]), ...this.mouth.map((mouth) => [mouth, 7, 3])];
    for (const [style, width] of [["black", 4], ["white", 2]]) {
      for (const [[x, y], across, down] of marks) {
        pen.beginPath();
        pen.ellipse(x * ZOOM, y * ZOOM, across * ZOOM, down * ZOOM, 0, 0, 2 * Math.PI);
        Object.assign(pen, { strokeStyle: style, lineWidth: width }).stroke();
      }
    }
  }

  /** The square as a picture (3, 64, 64): halved again and again, which takes means, so that nothing aliases. */
  square() {
    let side = SIZE;
    while (side < Math.min(this.at.side, LARGEST)) side *= 2;
    let canvas = blankCanvas(side);
    this.drawOn(canvas);
    while (side > SIZE) {
      side /= 2;
      const half = blankCanvas(side);
      half.getContext("2d").drawImage(canvas, 0, 0, side, side);
      canvas = half;
    }
    return pictureOf(canvas);
  }
}
