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
  const marks = { tabindex: 0, role: table ? "region" : "group", "aria-label": table ? `Table: ${place(element)}` : "Formula" };
  for (const [name, value] of Object.entries(marks)) {
    if (inside > element.clientWidth + 1) element.setAttribute(name, value);
    else element.removeAttribute(name);
  }
}

/** Watch what may scroll, and call the theme's buttons what they show. */
async function start() {
  for (const icon of document.querySelectorAll(".theme-switch-button > *")) icon.setAttribute("aria-hidden", "true");
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
  await window.MathJax?.startup?.promise;
  const watched = new ResizeObserver((entries) => entries.forEach(({ target }) => stop(target)));
  for (const element of document.querySelectorAll(SCROLLERS)) watched.observe(element);
}

window.addEventListener("load", start);
