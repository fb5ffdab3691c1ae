// What scrolls sideways is a stop of Tab with a name, only while it scrolls: else Tab has hundreds of formulas to pass.
const SCROLLERS = "div.math mjx-container, span.math, .pst-scrollable-table-container";

/** The section an element is in, in words. */
function place(element) {
  return element.closest("section")?.querySelector("h1, h2, h3, h4")?.firstChild.textContent.trim() ?? document.title;
}

/** Make an element that scrolls a stop of Tab, and one that does not none. */
function stop(element) {
  const table = element.matches(".pst-scrollable-table-container");
  const inside = table ? element.scrollWidth : (element.querySelector("mjx-math")?.getBoundingClientRect().width ?? 0);
  const [role, name] = table ? ["region", `Table: ${place(element)}`] : ["group", "Formula"];
  for (const [key, value] of Object.entries({ tabindex: 0, role, "aria-label": name })) {
    if (inside > element.clientWidth + 1) element.setAttribute(key, value);
    else element.removeAttribute(key);
  }
}

/** Hide the icons of a button that has a name. Font Awesome writes them, with names of their own, when it is ready. */
function hideIcons(button) {
  for (const icon of button.children) {
    icon.querySelector("title")?.remove();
    icon.setAttribute("aria-hidden", "true");
  }
}

/** Watch what may scroll, and give the theme's buttons one name each. */
async function start() {
  for (const button of document.querySelectorAll(".theme-switch-button")) {
    new MutationObserver(() => hideIcons(button)).observe(button, { childList: true });
    hideIcons(button);
  }
  const said = ".search-button-field, details.hide > summary"; // their words are their names
  for (const element of document.querySelectorAll(said)) element.removeAttribute("aria-label");
  await window.MathJax?.startup?.promise;
  const watched = new ResizeObserver((entries) => entries.forEach(({ target }) => stop(target)));
  for (const element of document.querySelectorAll(SCROLLERS)) watched.observe(element);
}

window.addEventListener("load", start);
