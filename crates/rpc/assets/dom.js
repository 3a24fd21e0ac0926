// Elements made in one way: text always as text nodes, never as markup. What a node tells may be a stranger's choice.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((c) => (c instanceof Node ? c : String(c))));
  return element;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const $ = (id) => document.getElementById(id);

/** Sets a text only where it changed, so that nothing is laid out or read aloud in vain. */
export function setText(element, text) {
  const next = String(text);
  if (element.textContent !== next) element.textContent = next;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Writes rows of cells into a table body, reusing what is there. A cell is a text, or `{text, class, title}`. */
export function setRows(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    while (row.cells.length > cells.length) row.deleteCell(-1);
    cells.forEach((cell, j) => {
      const at = row.cells[j] ?? (j === 0 ? row.appendChild(el("th", { scope: "row" })) : row.insertCell());
      const { text, class: name = "", title = "" } = cell !== null && typeof cell === "object" ? cell : { text: cell };
      setText(at, text ?? "–");
      if (at.className !== name) at.className = name;
      if (at.title !== title) at.title = title;
    });
  });
}

/** A canvas sized for the screen; calls `draw(context, width, height)` in CSS pixels. */
export function paint(canvas, draw) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const scale = Math.min(window.devicePixelRatio || 1, 3);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  draw(context, width, height);
}

let colours = null;

/** The theme's colours by name, as `style.css` sets them. */
export function palette() {
  if (colours) return colours;
  const style = getComputedStyle(document.documentElement);
  colours = {};
  for (const name of ["ink", "soft", "line", "panel", "raise", "good", "just", "safe", "warn", "bad", "vote", "head"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.font = style.getPropertyValue("--sans").trim();
  return colours;
}

export function forgetPalette() {
  colours = null;
}
