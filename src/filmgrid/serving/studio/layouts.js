// The layout picker: what the model was trained on, what each costs, and any other grid.

import * as api from "./api.js";
import { $, complain, duration, make } from "./dom.js";
import { layoutOf, numCells } from "./draft.js";

export class Layouts {
  #menu = $("#layouts");
  #button = $("#layout");
  #lane = new api.PlanLane();

  constructor(draft, modelOf) {
    this.draft = draft;
    this.modelOf = modelOf;
    this.#menu.addEventListener("beforetoggle", (event) => {
      if (event.newState === "open") this.#open();
      else this.#lane.drop();
    });
    for (const name of ["rows", "cols"])
      $(`#${name}`).addEventListener("change", () => this.#chooseOwn());
    draft.addEventListener("change", () => this.render());
    this.render();
  }

  render() {
    const now = this.draft.now;
    this.#button.querySelector("span").textContent = `${now.rows} × ${now.cols}`;
    $("#layout-icon").replaceChildren(picture(now.rows, now.cols));
    $("#layout-frames").textContent = numCells(now) === 1 ? "one image" : `${numCells(now)} cells`;
  }

  async #open() {
    const now = this.draft.now;
    $("#rows").value = now.rows;
    $("#cols").value = now.cols;
    complain("layout", "");
    const model = this.modelOf();
    const known = model?.layouts?.length ? [...model.layouts].sort(bySize) : ["1x1", "2x2", "2x4", "4x4", "4x6"];
    $("#layouts-note").textContent = model?.layouts?.length
      ? `${model.name} was trained on these. Frames of other grids may hang together less well.`
      : "This model was trained on single images: without a LoRA, grids hang together by luck.";
    const options = known.map((layout) => this.#option(layout));
    $("#layout-options").replaceChildren(...options);
    (options.find((each) => each.ariaChecked === "true") ?? options[0]).tabIndex = 0;
    for (const option of options) if (!(await this.#price(option))) return;
  }

  #option(layout) {
    const [rows, cols] = layout.split("x").map(Number);
    const chosen = layout === layoutOf(this.draft.now);
    const option = make("button", {
      type: "button",
      role: "radio",
      class: "option",
      "aria-checked": chosen,
      tabindex: -1,
      "data-layout": layout,
      onclick: () => this.#choose(rows, cols),
      onkeydown: (event) => this.#move(event),
    },
      picture(rows, cols),
      make("span", { class: "name", text: `${rows} × ${cols}` }),
      make("span", { class: "cost", text: "…" }));
    return option;
  }

  /** Say what a layout costs; false if nobody wants to know any more. */
  async #price(option) {
    const { prompt, steps, guidance } = this.draft.now;
    const request = this.#request(option.dataset.layout, prompt);
    if (steps) request.steps = steps;
    if (guidance !== null) request.guidance = guidance;
    try {
      const { seconds } = await this.#lane.ask(request);
      $(".cost", option).textContent = `~ ${duration(seconds)}`;
    } catch (error) {
      if (error.status === api.DROPPED) return false;
      $(".cost", option).textContent = "not possible";
      option.disabled = true;
    }
    return true;
  }

  #request(layout, prompt) {
    const { model } = this.draft.now;
    return model ? { model, prompt, layout } : { prompt, layout };
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const options = [...$("#layout-options").children];
    const at = options.indexOf(event.currentTarget);
    const next = options[(at + step + options.length) % options.length];
    event.currentTarget.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  async #chooseOwn() {
    const [rows, cols] = [$("#rows"), $("#cols")].map((input) => Math.round(Number(input.value)));
    if (!(rows >= 1 && cols >= 1)) return;
    try {
      await this.#lane.ask(this.#request(`${rows}x${cols}`, this.draft.now.prompt));
    } catch (error) {
      if (error.status !== api.DROPPED) complain("layout", error.message);
      return;
    }
    complain("layout", "");
    this.#apply(rows, cols);
  }

  #choose(rows, cols) {
    this.#apply(rows, cols);
    this.#menu.hidePopover();
    this.#button.focus();
  }

  #apply(rows, cols) {
    if (layoutOf(this.draft.now) !== `${rows}x${cols}`) this.draft.change({ rows, cols, frames: null });
  }
}

/** A small drawing of a grid. */
function picture(rows, cols) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "lattice");
  svg.setAttribute("viewBox", "0 0 28 28");
  svg.setAttribute("aria-hidden", "true");
  const step = Math.min(26 / Math.max(rows, cols), 9);
  const [left, top] = [(28 - step * cols) / 2, (28 - step * rows) / 2];
  const size = step - Math.max(0.6, step / 6);
  let path = "";
  for (let row = 0; row < Math.min(rows, 40); row += 1)
    for (let col = 0; col < Math.min(cols, 40); col += 1)
      path += `M${left + col * step},${top + row * step}h${size}v${size}h${-size}z`;
  const shape = document.createElementNS(space, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

function bySize(one, other) {
  const [first, second] = [one, other].map((text) => text.split("x").map(Number));
  return first[0] * first[1] - second[0] * second[1];
}
