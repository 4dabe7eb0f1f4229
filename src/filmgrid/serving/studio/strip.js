// The film strip: an ARIA grid of cells that can be chosen, locked and dropped upon.

import { framePath } from "./api.js";
import { $, icon, make, plural, say } from "./dom.js";
import { faceOf } from "./draft.js";
import { shownFrames } from "./frames.js";

const MANY = 400; // cells above which pictures wait until they are scrolled to

export class Strip {
  #grid = $("#strip");
  #frame = $("#strip-frame");
  #cells = [];
  #active = 0;
  #anchor = 0;
  #shape = "";

  /** @param ask what the strip may ask for: lock, clear, pick, redraw, drop, rowPrompt */
  constructor(draft, live, ask) {
    this.draft = draft;
    this.live = live;
    this.ask = ask;
    this.#grid.addEventListener("click", (event) => this.#clicked(event));
    this.#grid.addEventListener("dblclick", (event) => this.#doubled(event));
    this.#grid.addEventListener("keydown", (event) => this.#pressed(event));
    this.#grid.addEventListener("focusin", (event) => {
      const cell = this.#cells.indexOf(event.target);
      if (cell >= 0) this.#activate(cell);
    });
    draft.addEventListener("change", () => this.render());
    draft.addEventListener("select", () => this.#mark());
    live.addEventListener("change", () => this.paint());
    new ResizeObserver(() => this.#fit()).observe(this.#frame);
    this.render();
  }

  get cells() {
    return this.#cells;
  }
  get active() {
    return this.#active;
  }

  cellAt(target) {
    return this.#cells.indexOf(target.closest?.(".cell"));
  }

  focus() {
    this.#cells[this.#active]?.focus();
  }

  render() {
    const now = this.draft.now;
    const count = shownFrames(now, this.live);
    const shape = [count, now.cols, now.perRow].join();
    if (shape !== this.#shape) this.#build(now, count);
    this.#shape = shape;
    const size = now.source ?? { height: 1, width: 1 };
    this.#grid.style.setProperty("--aspect", `${size.width} / ${size.height}`);
    for (const [cell, element] of this.#cells.entries()) {
      const face = faceOf(now, cell);
      const path = face ? framePath(face.ref, face.frame) : "";
      const image = element.querySelector("img");
      if (image.dataset.path !== path) {
        image.dataset.path = path;
        image.hidden = !path;
        if (path) image.src = path;
        else image.removeAttribute("src");
      }
      const locked = now.locked.includes(cell);
      element.classList.toggle("empty", !face);
      element.classList.toggle("locked", locked);
      const button = element.querySelector("button");
      button.title = !face ? "Put a picture here" : locked ? "Unlock: make it anew" : "Lock: keep it";
      button.querySelector("use").setAttribute("href", !face ? "#i-plus" : locked ? "#i-lock" : "#i-unlock");
    }
    for (const input of this.#grid.querySelectorAll(".row-prompt")) {
      const text = now.rowPrompts[input.dataset.row] ?? "";
      if (input.value !== text && document.activeElement !== input) input.value = text;
    }
    this.#mark();
    this.paint();
    this.#fit();
  }

  #build(now, count) {
    const rows = [];
    this.#cells = [];
    this.#grid.style.setProperty("--cols", now.cols);
    this.#grid.setAttribute("aria-rowcount", Math.ceil(count / now.cols));
    this.#grid.setAttribute("aria-colcount", now.cols);
    for (let row = 0; row * now.cols < count; row += 1) {
      const first = row * now.cols;
      const last = Math.min(first + now.cols, count) - 1;
      const cells = [];
      for (let cell = first; cell <= last; cell += 1) cells.push(this.#makeCell(cell, count));
      rows.push(
        make("div", { role: "row", class: "film", "aria-rowindex": row + 1 },
          this.#makeEdge(now, row, first, last), ...cells),
      );
      this.#cells.push(...cells);
    }
    this.#grid.replaceChildren(...rows);
    this.#active = Math.min(this.#active, count - 1);
    this.#cells[this.#active].tabIndex = 0;
  }

  #makeEdge(now, row, first, last) {
    const span = first === last ? `${first}` : `${first}–${last}`;
    const edge = make("div", { role: "rowheader", class: "edge" },
      make("span", { class: "print", text: `ROW ${row + 1}  ▸ ${span}` }));
    if (!now.perRow || row === 0) return edge;
    const input = make("input", {
      class: "row-prompt",
      type: "text",
      "data-row": row,
      "aria-label": `Prompt from row ${row + 1} on`,
      placeholder: "from this row on …",
      value: now.rowPrompts[row] ?? "",
      oninput: () => this.ask.rowPrompt(row, input.value),
    });
    edge.append(input);
    return edge;
  }

  #makeCell(cell, count) {
    const button = make("button", { type: "button", tabindex: -1, class: "corner", "aria-hidden": true }, icon("unlock"));
    return make("div", { role: "gridcell", class: "cell", tabindex: -1, "aria-selected": false },
      make("img", { alt: "", draggable: false, hidden: true, loading: count > MANY ? "lazy" : "eager" }),
      make("canvas", { hidden: true }),
      make("span", { class: "number", "aria-hidden": true, text: cell }),
      button);
  }

  /** Names, choice and locks, as they are seen and as they are read out. */
  #mark() {
    const { now, selected } = this.draft;
    for (const [cell, element] of this.#cells.entries()) {
      const chosen = selected.has(cell);
      element.classList.toggle("selected", chosen);
      element.setAttribute("aria-selected", chosen);
      const what = this.live.shows(cell) ? "being made"
        : !faceOf(now, cell) ? "empty"
        : now.locked.includes(cell) ? "locked"
        : now.stills[cell] ? "picture" : "frame";
      element.setAttribute("aria-label", `Cell ${cell}, ${what}`);
    }
  }

  /** Draw the preview into the cells that are being made. */
  paint() {
    for (const [cell, element] of this.#cells.entries()) {
      const canvas = element.querySelector("canvas");
      const shown = this.live.shows(cell);
      if (canvas.hidden === shown) {
        canvas.hidden = !shown;
        element.classList.toggle("making", shown);
      }
      if (!shown) continue;
      const [picture, x, y, width, height] = this.live.part(cell);
      canvas.width = Math.round(width);
      canvas.height = Math.round(height);
      canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, canvas.width, canvas.height);
    }
    this.#grid.setAttribute("aria-busy", Boolean(this.live.job));
  }

  playhead(cell) {
    this.#grid.querySelector(".cell.playing")?.classList.remove("playing");
    this.#cells[cell]?.classList.add("playing");
  }

  target(cells) {
    for (const [cell, element] of this.#cells.entries())
      element.classList.toggle("target", cells.includes(cell));
  }

  /** Cells as large as the room allows, so that a whole grid is seen at once. */
  #fit() {
    const { cols, source } = this.draft.now;
    const rows = this.#grid.children.length;
    const gap = parseFloat(getComputedStyle(this.#grid).getPropertyValue("--gap"));
    const edges = this.#grid.lastElementChild.offsetHeight - this.#cells.at(-1).offsetHeight + 6;
    const ratio = source ? source.width / source.height : 1;
    const wide = (this.#frame.clientWidth - gap * (cols + 1)) / cols;
    const stacked = getComputedStyle(this.#frame).overflowY === "visible"; // the page itself scrolls
    const room = stacked ? innerHeight - 300 : this.#frame.clientHeight - 4;
    const high = Math.max((room / rows - edges) * ratio, stacked ? 96 : 72);
    const side = Math.max(34, Math.min(wide, innerWidth < 900 ? wide : high, 208));
    this.#grid.style.setProperty("--cell", `${Math.floor(side)}px`);
  }

  #activate(cell) {
    if (cell === this.#active) return;
    if (this.#cells[this.#active]) this.#cells[this.#active].tabIndex = -1;
    this.#active = cell;
    this.#cells[cell].tabIndex = 0;
  }

  #clicked(event) {
    const cell = this.cellAt(event.target);
    if (cell < 0) return;
    if (event.target.closest(".corner")) {
      if (faceOf(this.draft.now, cell)) this.ask.lock([cell]);
      else this.ask.pick(cell);
      return;
    }
    this.#cells[cell].focus({ preventScroll: true });
    const { selected } = this.draft;
    const touch = event.pointerType === "touch";
    if (event.shiftKey) this.#range(cell);
    else if (event.ctrlKey || event.metaKey || touch) this.#toggle(cell);
    else if (selected.size === 1 && selected.has(cell)) this.draft.select([]);
    else this.draft.select([cell]);
    if (!event.shiftKey) this.#anchor = cell;
    this.ask.show(cell);
  }

  #doubled(event) {
    const cell = this.cellAt(event.target);
    if (cell >= 0 && !event.target.closest(".corner")) this.ask.pick(cell);
  }

  #toggle(cell) {
    const selected = new Set(this.draft.selected);
    if (!selected.delete(cell)) selected.add(cell);
    this.draft.select(selected);
  }

  #range(cell) {
    const [low, high] = [Math.min(cell, this.#anchor), Math.max(cell, this.#anchor)];
    this.draft.select([...Array(high - low + 1).keys()].map((step) => low + step));
  }

  #pressed(event) {
    if (event.target.matches("input")) return;
    const { cols } = this.draft.now;
    const last = this.#cells.length - 1;
    const cell = this.#active;
    const row = Math.floor(cell / cols);
    const held = event.ctrlKey || event.metaKey;
    const moves = {
      ArrowLeft: cell - 1,
      ArrowRight: cell + 1,
      ArrowUp: cell - cols,
      ArrowDown: cell + cols,
      Home: held ? 0 : row * cols,
      End: held ? last : Math.min(row * cols + cols - 1, last),
      PageUp: cell % cols,
      PageDown: last - (((last % cols) - (cell % cols) + cols) % cols),
    };
    const chosen = this.draft.selected.size ? [...this.draft.selected] : [cell];
    if (event.key in moves) {
      const next = moves[event.key];
      if (next >= 0 && next <= last) {
        this.#activate(next);
        this.#cells[next].focus();
        if (event.shiftKey) this.#range(next);
        else this.#anchor = next;
        this.ask.show(next);
      }
    } else if (event.key === " ") {
      if (event.shiftKey) this.#range(cell);
      else this.#toggle(cell);
      say(`${plural(this.draft.selected.size, "cell")} selected`);
    } else if (held && event.key.toLowerCase() === "a") {
      this.draft.select(this.#cells.keys());
      say(`All ${this.#cells.length} cells selected`);
    } else if (event.key === "Escape") this.draft.select([]);
    else if (event.key === "Enter") this.ask.pick(cell);
    else if (event.key === "Delete" || event.key === "Backspace") this.ask.clear(chosen);
    else if (!held && event.key.toLowerCase() === "l") this.ask.lock(chosen);
    else if (!held && event.key.toLowerCase() === "r") this.ask.redraw();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
