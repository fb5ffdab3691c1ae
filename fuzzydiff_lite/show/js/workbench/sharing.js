// What is taken away: picture files, the command and the Python that make the same, a link with the settings.

/** Have the browser save pixels as a PNG file, `side` pixels wide. */
function savePng(image, name, side = SIZE) {
  const canvas = blankCanvas(side);
  show(canvas, image);
  make("a", { href: canvas.toDataURL("image/png"), download: name }).click();
}

/** `now()` gives the settings `at`, the `result` and `given` picture, the `map` and the `link`; `say` tells of it. */
class Sharing {
  constructor(now, isPage, say) {
    Object.assign(this, { now, say });
    [this.command, this.python] = [make("code"), make("code")];
    const small = ({ at, given }) => savePng(imageOf(blocks(given, at.scale)), "small.png", SIZE / at.scale);
    const saves = {
      "the result": ({ result }) => savePng(imageOf(result), "restored.png"),
      "the result, enlarged": ({ result }) => savePng(imageOf(result), "restored-4x.png", 4 * SIZE),
      "given.png": ({ given }) => savePng(imageOf(given), "given.png"),
      "map.png": ({ map }) => savePng(imageOf(null, (i) => Math.round(255 * map[i])), "map.png"),
      "small.png": small,
    };
    const entries = Object.entries(saves).map(([name, save]) => [name, button(name, () => save(this.now()))]);
    this.saves = Object.fromEntries(entries);
    const region = (label, code) => make("pre", { tabIndex: 0, aria: { role: "region", label } }, code);
    this.element = make(
      "details",
      {},
      make("summary", { textContent: "Save, share, make the same in Python" }),
      make("div", { className: "buttons" }, "Save ", ...Object.values(this.saves)),
      make("p", { className: "small", textContent: "With these files in a folder, the same picture is made by" }),
      region("Command", this.command),
      region("Python", this.python),
      button("Copy a link to these settings", () => this.copyLink(), { hidden: !isPage }),
    );
  }

  /** Write what makes the same with these settings, and offer the files that it takes, and a `result`. */
  write(at, result) {
    this.command.textContent = commandOf(at);
    this.python.textContent = pythonOf(at);
    for (const name of ["the result", "the result, enlarged"]) this.saves[name].disabled = !result;
    this.saves["map.png"].hidden = METHODS[at.method].map === "none";
    this.saves["given.png"].hidden = at.method === "ddim";
    this.saves["small.png"].hidden = at.method !== "ilvr" || at.scale === 16;
  }

  copyLink() {
    history.replaceState(null, "", this.now().link);
    const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"));
    const said = "It carries the settings, not a picture of yours or what you painted by hand.";
    const says = (where) => () => this.say(`The link is ${where}. ${said}`);
    copied.then(says("copied"), says("in the address bar"));
  }
}
