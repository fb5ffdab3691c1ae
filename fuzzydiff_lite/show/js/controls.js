// Elements, and controls: sliders over stops, lists and check boxes in rows of name, control, value.

const make = (tag, properties = {}, ...children) => {
  const { aria = {}, on = {}, data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  const full = (name) => (name === "role" ? name : `aria-${name}`);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(full(name), value);
  for (const [name, act] of Object.entries(on)) element.addEventListener(name, act);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
};

const button = (text, act, properties = {}) =>
  make("button", { type: "button", textContent: text, on: { click: act }, ...properties });

/** What a control means, for those who see: screen readers take its aria-description. */
const hinted = (hint) =>
  hint ? [make("span", { className: "hint small", textContent: hint, aria: { hidden: true } })] : [];

/** A slider over `values`; `text(value)` is what it shows of one. `act(value)` hears it, `put(value)` moves it. */
function slider({ name, values, hint = "", text = String }, value, act) {
  const output = make("output", { aria: { live: "off" } }); // the slider speaks its value itself
  const range = { type: "range", min: 0, max: values.length - 1, step: 1, autocomplete: "off" };
  const input = make("input", { ...range, aria: { label: name, description: hint } });
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
  const element = make("label", {}, make("span", { textContent: name }), input, output, ...hinted(hint));
  return { element, put };
}

/** A list of `options`, what it says by value. */
function select({ name, options, hint = "" }, value, act) {
  const made = Object.entries(options).map(([of, textContent]) => make("option", { value: of, textContent }));
  const box = make("select", { autocomplete: "off", aria: { label: name, description: hint } }, ...made);
  const put = (to) => (box.value = to);
  box.addEventListener("change", () => act(box.value));
  put(value);
  const parts = [make("span", { textContent: name }), box, ...hinted(hint)];
  return { element: make("label", { className: "wide" }, ...parts), put };
}

/** A check box. */
function check({ name, hint = "" }, value, act) {
  const aria = { label: name, description: hint };
  const input = make("input", { type: "checkbox", checked: value, autocomplete: "off", aria });
  input.addEventListener("change", () => act(input.checked));
  const element = make("label", { className: "wide" }, make("span", { textContent: name }));
  element.append(make("span", { className: "small" }, input, ` ${hint}`));
  return { element, put: (to) => (input.checked = to) };
}
