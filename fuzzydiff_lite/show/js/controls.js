// Elements, and controls: sliders over stops, lists and check boxes in rows of name, control, value; groups of them.

const make = (tag, properties = {}, ...children) => {
  const { aria = {}, on = {}, data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(name === "role" ? name : `aria-${name}`, value);
  for (const [name, act] of Object.entries(on)) element.addEventListener(name, act);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
};

const button = (text, act, properties = {}) =>
  make("button", { type: "button", textContent: text, on: { click: act }, ...properties });

/** A slider over `values`; `text(value)` is what it shows of one. `act(value)` hears it, `put(value)` moves it. */
function slider({ name, values, hint = "", text = String }, value, act) {
  const output = make("output", { aria: { live: "off" } }); // the slider speaks its value itself
  const range = { type: "range", min: 0, max: values.length - 1, step: 1, autocomplete: "off", aria: { label: name } };
  const input = make("input", range);
  const say = () => {
    output.value = text(values[input.value]);
    input.setAttribute("aria-valuetext", output.value);
  };
  const put = (to) => {
    input.value = values.indexOf(to);
    say();
  };
  input.addEventListener("input", () => {
    say();
    act(values[input.value]);
  });
  put(value);
  const element = make("label", { title: hint }, make("span", { textContent: name }), input, output);
  return { element, put };
}

/** A list of `options`, what it says by value. */
function select({ name, options, hint = "" }, value, act) {
  const made = Object.entries(options).map(([of, textContent]) => make("option", { value: of, textContent }));
  const box = make("select", { autocomplete: "off", aria: { label: name } }, ...made);
  const put = (to) => (box.value = to);
  box.addEventListener("change", () => act(box.value));
  put(value);
  return { element: make("label", { className: "wide", title: hint }, make("span", { textContent: name }), box), put };
}

/** A check box. */
function check({ name, hint = "" }, value, act) {
  const input = make("input", { type: "checkbox", checked: value, autocomplete: "off", aria: { label: name } });
  input.addEventListener("change", () => act(input.checked));
  const element = make("label", { className: "wide" }, make("span", { textContent: name }));
  element.append(make("span", { className: "small" }, input, ` ${hint}`));
  return { element, put: (to) => (input.checked = to) };
}

/** One of several things to see, as a row of radio buttons. */
function choice(name, options, act) {
  choice.made = (choice.made ?? 0) + 1; // each row has a name of its own
  const rows = Object.entries(options).map(([value, text]) => {
    const input = make("input", { type: "radio", name: `workbench-${choice.made}`, value, autocomplete: "off" });
    input.addEventListener("change", () => act(value));
    return make("label", { className: "choice" }, input, make("span", { textContent: text }));
  });
  rows[0].firstChild.checked = true;
  return make("div", { className: "choices", aria: { role: "radiogroup", label: name } }, ...rows);
}

const group = (legend, ...children) => make("fieldset", {}, make("legend", { textContent: legend }), ...children);

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
    { className: "brush" },
    slider({ name: "brush: m", values: tenths, hint: "0 invents, 1 keeps" }, painter.brush.m, set("m")).element,
    radius.element,
    slider({ name: "softness", values: tenths }, painter.brush.softness, set("softness")).element,
    row("mask", "Masks, filled with the brush's m", masks, fill),
    row("part", "Parts of the face, filled with the brush's m", parts, fill),
    row("map", "The map", ["undo", "redo", "clear"], (name) => painter[name]()),
  );
}
