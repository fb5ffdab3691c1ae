// The workbench of a built page: <fuzzy-workbench data-spec="…">, whose engine is a Worker of the book's folder live/.
// It stands behind the parts of workbench.js in one module. Without scripts the fallback <img> stays.

/** What Jupyter would give to `render`, without a kernel. `root` is the book's, null in no page of one. */
class PageModel {
  constructor(spec, root) {
    this.values = { spec, page: true, engine: { kind: "asking" } };
    this.listeners = { "msg:custom": new Set(), "change:engine": new Set() };
    this.root = root;
    this.ready = false;
  }

  get(name) {
    return this.values[name];
  }

  on(name, act) {
    this.listeners[name].add(act);
  }

  off(name, act) {
    this.listeners[name].delete(act);
  }

  tell(name, ...what) {
    for (const act of this.listeners[name]) act(...what);
  }

  /** See whether there is an engine, and how much of it would be loaded. */
  async look() {
    this.values.engine = await this.engine();
    this.tell("change:engine");
  }

  async engine() {
    const none = (why) => ({ kind: "none", why });
    if (location.protocol === "file:") {
      return none("To run the network, serve the book: python -m http.server in its folder, then open localhost:8000.");
    }
    if (!this.root) return none("To run the network, open this in the built book, or run the notebook.");
    const answer = await fetch(new URL("live/live.json", this.root)).catch(() => ({ ok: false }));
    const facts = answer.ok && (await answer.json().catch(() => null)); // null where there is no npm
    const without = "This book was built without its neural network: run make html where npm can reach its registry.";
    if (!facts) return none(without);
    return { kind: "worker", bytes: facts.model.bytes + facts.wasm.bytes };
  }

  send(content, _, buffers = []) {
    if (content.kind === "cancel" && !this.ready) return this.end();
    this.worker ??= this.begin();
    this.worker.postMessage({ content, buffers }, buffers);
  }

  begin() {
    const worker = new Worker(new URL("live/worker.js", this.root), { type: "module" });
    worker.addEventListener("message", ({ data: { content, buffers } }) => {
      this.ready ||= content.kind === "ready";
      if (content.kind === "error" && content.id === undefined) this.end(); // the network is gone
      this.tell("msg:custom", content, buffers);
    });
    worker.addEventListener("error", (event) => {
      this.end();
      const why = event.message ?? "its files were not found";
      const message = `The network did not start (${why}): load the page again.`;
      this.tell("msg:custom", { kind: "error", message }, []);
    });
    return worker;
  }

  end() {
    this.worker?.terminate();
    this.worker = null;
    this.ready = false;
  }
}

class FuzzyWorkbench extends HTMLElement {
  connectedCallback() {
    if (this.close) return;
    const { content_root: ofSphinx } = document.documentElement.dataset;
    const root = this.dataset.root ?? ofSphinx;
    const book = root === undefined ? null : new URL(root, document.baseURI);
    const model = new PageModel(JSON.parse(this.dataset.spec), book);
    this.close = render({ model, el: this });
    model.look();
  }
}

if (!customElements.get("fuzzy-workbench")) customElements.define("fuzzy-workbench", FuzzyWorkbench);
