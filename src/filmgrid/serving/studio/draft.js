// The draft: everything a person has set, as plain data, with undo. One draft for each tab.

const PLACE = "filmgrid.draft";
const DEPTH = 100;
const PAUSE = 1200; // milliseconds within which typing in one field is one step to undo

export const FIRST_PROMPT = "a red circle moving right on a navy background";

export const EMPTY = Object.freeze({
  model: null,
  prompt: FIRST_PROMPT,
  negative: "",
  perRow: false,
  rowPrompts: {}, // row -> what is shown from this row on
  rows: 4,
  cols: 4,
  frames: null, // length of its own, or one grid
  loop: false,
  seed: 1,
  keepSeed: false,
  steps: null,
  guidance: null,
  sigma: null, // null: what the task is used to
  fit: "crop",
  stills: {}, // cell -> {ref, frame, name}: pictures put on cells
  locked: [],
  source: null, // {ref, numFrames, height, width, fps, start, stride, name}: frames in the cells
});

export const numCells = (draft) => draft.rows * draft.cols;
export const numFrames = (draft) => draft.frames ?? numCells(draft);
export const isLong = (draft) => draft.frames !== null && draft.frames !== numCells(draft);
export const layoutOf = (draft) => `${draft.rows}x${draft.cols}`;

/** The picture on a cell: which frame of what, or null. */
export function faceOf(draft, cell) {
  if (draft.stills[cell]) return draft.stills[cell];
  const { source } = draft;
  if (!source) return null;
  const frame = source.start + cell * source.stride;
  const { ref, editRef, name } = source;
  return frame < source.numFrames ? { ref, editRef, frame, name } : null;
}

/** Whether the source has a frame for each cell. */
export function isCovered(draft) {
  const { source } = draft;
  return Boolean(source) && source.start + (numFrames(draft) - 1) * source.stride < source.numFrames;
}

export class Draft extends EventTarget {
  #past = [];
  #future = [];
  #now = EMPTY;
  #touched = { what: null, at: 0 };
  watched = null; // the job whose frames come into the cells
  selected = new Set();

  constructor() {
    super();
    try {
      const kept = JSON.parse(sessionStorage.getItem(PLACE));
      if (kept) {
        this.#now = { ...EMPTY, ...kept.now };
        this.#past = kept.past;
        this.#future = kept.future;
        this.watched = kept.watched;
        this.selected = new Set(kept.selected);
      }
    } catch {
      sessionStorage.removeItem(PLACE); // of another version
    }
  }

  get now() {
    return this.#now;
  }
  get canUndo() {
    return this.#past.length > 0;
  }
  get canRedo() {
    return this.#future.length > 0;
  }

  /** Change some fields. Changes of the same thing in quick succession are undone together. */
  change(patch, what = null) {
    const joined = what !== null && this.#touched.what === what
      && performance.now() - this.#touched.at < PAUSE;
    if (!joined) this.#past = [...this.#past, this.#now].slice(-DEPTH);
    this.#touched = { what, at: performance.now() };
    this.#future = [];
    this.#now = tidy({ ...this.#now, ...patch });
    this.#announce();
  }

  /** Change what nobody would want to undo, such as the seed that was drawn. */
  adjust(patch) {
    this.#now = tidy({ ...this.#now, ...patch });
    this.#announce();
  }

  undo() {
    if (this.canUndo) this.#travel(this.#past, this.#future);
  }
  redo() {
    if (this.canRedo) this.#travel(this.#future, this.#past);
  }

  select(cells) {
    this.selected = new Set(cells);
    this.#keep();
    this.dispatchEvent(new Event("select"));
  }

  watch(id) {
    this.watched = id;
    this.#keep();
  }

  #travel(from, to) {
    to.push(this.#now);
    this.#now = from.pop();
    this.#touched = { what: null, at: 0 };
    this.#announce();
  }

  #announce() {
    const count = numFrames(this.#now);
    this.selected = new Set([...this.selected].filter((cell) => cell < count));
    this.#keep();
    this.dispatchEvent(new Event("change"));
  }

  #keep() {
    const { watched } = this;
    const kept = { now: this.#now, past: this.#past, future: this.#future, watched };
    try {
      sessionStorage.setItem(PLACE, JSON.stringify({ ...kept, selected: [...this.selected] }));
    } catch {
      this.#past = this.#past.slice(-10); // the browser's room is full
    }
  }
}

/** Leave out locks of cells that there are not, or that show nothing. */
function tidy(draft) {
  const count = numFrames(draft);
  const locked = draft.locked.filter((cell) => cell < count && faceOf(draft, cell));
  return { ...draft, locked: [...new Set(locked)].sort((a, b) => a - b) };
}
