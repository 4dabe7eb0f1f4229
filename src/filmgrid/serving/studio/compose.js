// What is asked for: prompt, grid, length, seed, and how far it departs from the frames there are.

import * as api from "./api.js";
import { $, bytes, complain, duration, make, plural } from "./dom.js";
import { isLong, numCells, numFrames } from "./draft.js";
import { build, canStartBelow, describeAction, DraftError, startOf, wholePrompt } from "./request.js";

const PATIENCE = 220; // milliseconds of quiet before a plan is asked for

const MINI = [
  ["a red circle moving right on a navy background", "4x4"],
  ["a small yellow star bouncing on a black background", "4x4"],
  ["a big purple square growing on a grey background", "4x4"],
  ["a green ring moving down on a checkered background", "4x4"],
  ["a 3D model of a red car with a white roof rotating clockwise", "4x6"],
  ["a 3D model of a blue mug with a white handle rotating anticlockwise", "4x6"],
];
const OTHERS = [
  ["a paper boat drifting down a stream", "4x4"],
  ["a candle burning down, seen from the side", "4x4"],
  ["a 3D model of a red vintage car, rotating, white background", "4x6"],
  ["a sunflower opening, time-lapse", "4x4"],
];

export const drawSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;

export class Compose {
  #timer = 0;
  #lane = new api.PlanLane();

  constructor(draft, modelOf) {
    this.draft = draft;
    this.modelOf = modelOf;
    this.#text("#prompt", "prompt");
    this.#text("#negative", "negative");
    this.#number("#frames", "frames", 1);
    this.#number("#seed", "seed", 0);
    this.#number("#steps", "steps", 1);
    this.#number("#guidance", "guidance", 0);
    $("#sigma").addEventListener("input", (event) =>
      draft.change({ sigma: Number(event.target.value) }, "sigma"));
    $("#sigma-auto").addEventListener("click", () => draft.change({ sigma: null }));
    $("#dice").addEventListener("click", () => draft.change({ seed: drawSeed() }));
    this.#flag("#keep-seed", "keepSeed");
    this.#flag("#per-row", "perRow");
    this.#flag("#loop", "loop");
    $("#fit").addEventListener("change", (event) => draft.change({ fit: event.target.value }));
    $("#model").addEventListener("change", (event) => draft.change({ model: event.target.value }));
    for (const name of ["start", "stride"])
      $(`#clip-${name}`).addEventListener("change", (event) => {
        const least = name === "start" ? 0 : 1;
        const value = Math.max(least, Math.round(Number(event.target.value) || least));
        draft.change({ source: { ...draft.now.source, [name]: value } });
      });
    $("#ideas").addEventListener("beforetoggle", () => this.#offerIdeas());
    draft.addEventListener("change", () => this.render());
    this.render();
  }

  #text(selector, field) {
    $(selector).addEventListener("input", (event) =>
      this.draft.change({ [field]: event.target.value }, field));
  }

  #number(selector, field, least) {
    $(selector).addEventListener("input", (event) => {
      const { value, validity } = event.target;
      if (validity.badInput) return;
      const number = value === "" ? null : Number(value);
      if (number !== null && (number < least || !Number.isFinite(number))) return;
      if (number === null && field === "seed") return;
      this.draft.change({ [field]: number }, field);
    });
  }

  #flag(selector, field) {
    $(selector).addEventListener("change", (event) =>
      this.draft.change({ [field]: event.target.checked }));
  }

  #offerIdeas() {
    const now = this.draft.now;
    const ideas = (now.model ?? "mini") === "mini" ? MINI : OTHERS;
    $("#idea-list").replaceChildren(...ideas.map(([prompt, layout]) =>
      make("li", {}, make("button", {
        type: "button",
        class: "item",
        text: prompt,
        onclick: () => {
          const [rows, cols] = layout.split("x").map(Number);
          const fresh = now.source || Object.keys(now.stills).length ? {} : { rows, cols, frames: null };
          this.draft.change({ prompt, ...fresh });
          $("#ideas").hidePopover();
          $("#prompt").focus();
        },
      }))));
  }

  render() {
    const now = this.draft.now;
    const model = this.modelOf();
    put("#prompt", now.prompt);
    put("#negative", now.negative);
    put("#frames", now.frames ?? "");
    put("#seed", now.seed);
    put("#steps", now.steps ?? "");
    put("#guidance", now.guidance ?? "");
    $("#frames").placeholder = numCells(now);
    if (model) {
      $("#steps").placeholder = model.steps;
      $("#guidance").placeholder = model.guidance;
      $("#negative").disabled = model.guidance_kind === "embedded";
      $("#negative-note").hidden = model.guidance_kind !== "embedded";
      $("#model").value = model.name;
    }
    $("#keep-seed").checked = now.keepSeed;
    $("#per-row").checked = now.perRow;
    $("#per-row").disabled = numFrames(now) <= now.cols;
    $("#loop").checked = now.loop;
    $("#loop-field").hidden = !isLong(now) || Boolean(now.source);
    $("#fit").value = now.fit;
    this.#renderRows(now);
    this.#renderStart(now, model);
    this.#renderClip(now);
    $("#make-label").textContent = describeAction(now, { kind: "make" }, model);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#plan(), PATIENCE);
  }

  #renderRows(now) {
    const note = $("#per-row-note");
    note.hidden = !now.perRow;
    if (!now.perRow) return;
    const joined = wholePrompt(now);
    note.textContent = isLong(now)
      ? "Each row's words take over from its first frame on."
      : joined === now.prompt.trim()
        ? "Write beside the rows of the strip what happens from there on."
        : `One grid is painted at once from one prompt, so it reads: “${joined}”.`;
  }

  #renderStart(now, model) {
    const possible = canStartBelow(now);
    const start = startOf(now, model);
    $("#sigma").disabled = !possible;
    $("#sigma").value = start;
    $("#sigma").setAttribute("aria-valuetext", `${start}: ${meaning(start)}`);
    $("#sigma-value").textContent = start.toFixed(2).replace(/\.?0+$/, "");
    $("#sigma-auto").hidden = !possible || now.sigma === null;
    $("#sigma-note").textContent = possible
      ? meaning(start)
      : Object.keys(now.stills).length
        ? "Dropped pictures stay exactly as they are; what is around them starts from noise."
        : now.source
        ? "These frames do not fill the grid, so it starts from noise."
        : "Starts from noise. Make a sequence or drop a clip, and its frames can be the start.";
  }

  #renderClip(now) {
    const { source } = now;
    const given = source?.ref.startsWith("upload:") || Object.keys(now.stills).length > 0;
    $("#given").hidden = !given;
    const spare = source?.ref.startsWith("upload:") && source.numFrames > numFrames(now);
    $("#clip-window").hidden = !spare;
    if (!spare) return;
    put("#clip-start", source.start);
    put("#clip-stride", source.stride);
    const last = source.start + (numFrames(now) - 1) * source.stride;
    $("#clip-note").textContent = `Frames ${source.start} to ${last} of ${source.numFrames}.`;
  }

  /** Ask what it would cost, and whether it can be done at all. */
  async #plan() {
    const now = this.draft.now;
    const cost = $("#cost");
    this.#lane.drop();
    try {
      const plan = await this.#lane.ask(build(now, { kind: "make" }, this.modelOf()));
      const parts = [plural(plan.frames, "frame")];
      if (plan.windows > 1) parts.push(plural(plan.windows, "grid"));
      if (plan.seconds !== null) parts.push(`about ${duration(plan.seconds)}`);
      if (plan.memory_bytes !== null) parts.push(bytes(plan.memory_bytes));
      cost.textContent = parts.join(" · ");
      $("#cost-notes").textContent = (plan.notes ?? []).join(" ");
      complain("make", "");
    } catch (error) {
      if (error.status === api.DROPPED) return;
      cost.textContent = "";
      $("#cost-notes").textContent = "";
      if (!(error instanceof DraftError || error instanceof api.ApiError)) throw error;
      if (error.status !== 0) complain("make", error.message);
    }
  }
}

/** Set a field, but not under the fingers of whoever is writing into it. */
function put(selector, value) {
  const field = $(selector);
  if (field.value === String(value)) return;
  if (document.activeElement === field && field.type === "number") return;
  field.value = value;
}

function meaning(sigma) {
  if (sigma >= 1) return "All from noise: only locked cells stay as they are.";
  if (sigma >= 0.93) return "Nearly all from noise: rough colours and places stay.";
  if (sigma >= 0.75) return "Places and motion stay; looks follow the prompt.";
  if (sigma >= 0.45) return "Looks stay; details change.";
  if (sigma > 0) return "Hardly anything changes.";
  return "Nothing changes.";
}
