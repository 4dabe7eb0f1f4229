// Pictures to draw: frames of jobs and uploads, and the grid that is being denoised.

import { framePath } from "./api.js";
import { faceOf, layoutOf, numFrames } from "./draft.js";

const KEPT = 600;
const images = new Map(); // path -> image, oldest use first

/** The image of a face; drawn again through `onLoad` once it is here. */
export function imageOf(face, onLoad) {
  const path = framePath(face.ref, face.frame);
  let image = images.get(path);
  if (image) images.delete(path);
  else {
    image = new Image();
    image.decoding = "async";
    image.src = path;
    if (images.size >= KEPT) images.delete(images.keys().next().value);
  }
  images.set(path, image);
  if (!image.complete && onLoad) image.addEventListener("load", onLoad, { once: true });
  return image;
}

/**
 * What is seen of the job that is watched: the latest preview of each of its grids. A sequence
 * that is longer than a grid comes grid after grid, and earlier ones stay in view.
 */
export class Live extends EventTarget {
  job = null;
  staying = new Set();
  #pictures = []; // by window
  #starts = [0]; // first frame of each window
  #wanted = null;
  #busy = false;

  constructor(draft) {
    super();
    this.draft = draft;
  }

  begin(job, staying) {
    if (this.job?.id !== job.id) this.#drop();
    this.job = job;
    this.staying = staying;
    this.#starts = windowStarts(job);
  }

  /** Remember how far it is. */
  advance({ step, num_steps: numSteps }) {
    this.job = { ...this.job, step, num_steps: numSteps };
  }

  end() {
    this.#drop();
    this.job = null;
    this.dispatchEvent(new Event("change"));
  }

  #drop() {
    for (const picture of this.#pictures) picture?.close();
    this.#pictures = [];
    this.#wanted = null;
  }

  /** Fetch a preview; while one is on its way only the newest of the others is remembered. */
  async show(path) {
    this.#wanted = path;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted && this.job) {
      const { id } = this.job;
      const next = this.#wanted;
      this.#wanted = null;
      try {
        const response = await fetch(next, { cache: "no-store" });
        if (!response.ok) continue;
        const step = Number(response.headers.get("X-Step"));
        const picture = await createImageBitmap(await response.blob());
        if (this.job?.id === id) this.#put(picture, step);
        else picture.close();
      } catch {
        // The next preview will do.
      }
    }
    this.#busy = false;
  }

  #put(picture, step) {
    const steps = this.job.num_steps / this.#starts.length;
    const index = Math.min(Math.floor(Math.max(0, step - 1) / steps), this.#starts.length - 1);
    this.#pictures[index]?.close();
    this.#pictures[index] = picture;
    this.dispatchEvent(new Event("change"));
  }

  /** The newest grid that holds a frame of the sequence, or -1. */
  #windowOf(cell) {
    const [rows, cols] = this.job.layout.split("x").map(Number);
    return this.#pictures.findLastIndex((picture, index) =>
      picture && cell >= this.#starts[index] && cell < this.#starts[index] + rows * cols);
  }

  /** Whether a preview shows this frame of the sequence, as it is laid out on the strip. */
  shows(cell) {
    if (!this.job || this.staying.has(cell) || cell >= this.job.num_frames) return false;
    return layoutOf(this.draft.now) === this.job.layout && this.#windowOf(cell) >= 0;
  }

  /** The part of the preview that is a cell: arguments for drawImage. */
  part(cell) {
    const [rows, cols] = this.job.layout.split("x").map(Number);
    const index = this.#windowOf(cell);
    const picture = this.#pictures[index];
    const place = cell - this.#starts[index];
    const [width, height] = [picture.width / cols, picture.height / rows];
    return [picture, (place % cols) * width, Math.floor(place / cols) * height, width, height];
  }
}

/** Frames that are on the strip: those of the draft, or more where a job makes more. */
export function shownFrames(draft, live) {
  const { job } = live;
  const count = numFrames(draft);
  return job && layoutOf(draft) === job.layout ? Math.max(count, job.num_frames) : count;
}

/** The first frame of each grid of a sequence, where that is plain: each keeps half of the last. */
function windowStarts(job) {
  const { request, num_frames: count } = job;
  const [rows, cols] = job.layout.split("x").map(Number);
  const cells = rows * cols;
  if (count <= cells) return [0];
  const kept = rows === 1 ? Math.floor(cols / 2) : (request.keep_rows ?? Math.floor(rows / 2)) * cols;
  const starts = [];
  let covered = request.task === "extend" ? count - cols : request.image ? 1 : 0;
  while (covered < count) {
    const fresh = covered >= kept ? cells - kept : cells - covered;
    starts.push(Math.max(0, covered + fresh - cells));
    covered += fresh;
  }
  return starts;
}

/** What is seen of a frame now, as arguments for drawImage, or null while there is nothing. */
export function drawable(draft, live, cell, onLoad) {
  if (live?.shows(cell)) return live.part(cell);
  const face = faceOf(draft, cell);
  if (!face) return null;
  const image = imageOf(face, onLoad);
  if (!image.complete || !image.naturalWidth) return null;
  return [image, 0, 0, image.naturalWidth, image.naturalHeight];
}
