// Small helpers for the document: elements, icons, and numbers as people say them.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element; attributes that start with "on" are listeners, false ones are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("aria-")) element.setAttribute(name, value);
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** One of the symbols that index.html holds. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(button, name) {
  $("use", button).setAttribute("href", `#i-${name}`);
}

export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

export function duration(seconds) {
  if (seconds < 0.95) return "1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function bytes(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} kB`;
  if (count < 1e9) return `${Math.round(count / 1e6)} MB`;
  return `${(count / 1e9).toFixed(1)} GB`;
}

export function clock(unix) {
  const date = new Date(unix * 1000);
  const today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

/** Cells as the API writes them: [0, 1, 2, 5] is "0-2,5". */
export function cellList(cells) {
  const sorted = [...new Set(cells)].sort((a, b) => a - b);
  const parts = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end] + 1) end += 1;
    parts.push(end === at ? `${sorted[at]}` : `${sorted[at]}-${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(",");
}

export function parseCells(text) {
  const cells = [];
  for (const part of (text || "").split(",").filter((each) => each.trim())) {
    const [first, last = first] = part.split("-").map(Number);
    for (let cell = first; cell <= last; cell += 1) cells.push(cell);
  }
  return cells;
}

/** Say something to whoever listens to the page instead of looking at it. */
export function say(text) {
  const status = $("#status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
}

/** Show a sentence where it belongs, or take it away with an empty one. */
export function complain(place, text) {
  const box = $(`#${place}-problem`);
  box.textContent = text || "";
  box.hidden = !text;
}

export const wantsStillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
