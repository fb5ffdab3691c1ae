// The faces to pick from, and pictures of the reader's own: by file, dropped, or pasted.

/** `chosen()` is called when `name` and `picture` are new, `placing(cropper)` while an own one is placed, or null. */
class Pictures {
  constructor({ pictures, marks }, { isPage, chosen, placing, say, warn }) {
    Object.assign(this, { spec: pictures, marks, chosen, placing, say, warn, all: {}, cropper: null });
    this.yours = `Your own picture: it ${isPage ? "stays here" : "goes to the kernel of this notebook, nowhere else"}.`;
    this.thumbs = make("div", { className: "thumbs", aria: { role: "group", label: "Picture" } });
    this.file = make("input", { type: "file", accept: "image/*", hidden: true });
    this.file.addEventListener("change", () => this.open(this.file.files[0]));
    this.own = button("Load your own…", () => this.file.click(), { title: "Or drop it here, or paste it" });
    this.about = make("p", { className: "small about" });
    this.element = make("div", {}, make("div", { className: "picker" }, this.thumbs, this.own, this.file), this.about);
  }

  async load() {
    for (const [name, { file }] of Object.entries(this.spec)) this.add(name, pictureOf(await bitmapOf(file)));
  }

  add(name, picture) {
    this.all[name] = picture;
    this.thumbs.querySelector(`[data-name="${name}"]`)?.remove();
    const thumb = button("", () => this.choose(name), { data: { name }, title: name, aria: { label: name } });
    thumb.append(smallCanvas(imageOf(picture)));
    this.thumbs.append(thumb);
  }

  choose(name) {
    this.leave();
    Object.assign(this, { name, picture: this.all[name] });
    for (const thumb of this.thumbs.children) thumb.setAttribute("aria-pressed", thumb.dataset.name === name);
    this.about.textContent = this.spec[name]?.about ?? this.yours;
    this.chosen();
  }

  /** The tone that fits the picture. */
  get tone() {
    return this.spec[this.name]?.tone ?? "colour";
  }

  /** Whether the picture is one of those that ship. */
  get ships() {
    return Object.hasOwn(this.spec, this.name);
  }

  /** Take pictures that are dropped on `root`, or pasted while it or nothing has the focus; returns what ends that. */
  listen(root) {
    const take = (event, { files }) => {
      if (!files.length) return;
      event.preventDefault();
      this.open(files[0]);
    };
    const paste = (event) => {
      const { activeElement, body } = document;
      if (root.contains(activeElement) || activeElement === body) take(event, event.clipboardData);
    };
    root.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
    root.addEventListener("drop", (event) => take(event, event.dataTransfer));
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }

  async open(file) {
    this.file.value = ""; // so that the same file can be chosen again
    if (!file) return;
    this.warn("");
    try {
      const bitmap = await readImage(file);
      this.leave();
      const use = (picture) => {
        this.add("yours", picture);
        this.choose("yours");
      };
      this.cropper = new Cropper(bitmap, this.marks, use, () => this.leave());
      this.placing(this.cropper);
      this.cropper.canvas.focus();
      this.say(`${this.yours} Bring eyes and mouth to the marks.`);
    } catch (error) {
      this.warn(error.message);
    }
  }

  leave() {
    const held = this.cropper?.element.contains(document.activeElement);
    this.cropper?.bitmap.close();
    this.cropper?.element.remove();
    this.cropper = null;
    this.placing(null);
    if (held) this.own.focus(); // what had it is gone
  }
}
