// Pictures to draw: frames of jobs and uploads, and the grid that is being denoised.

import { framePath } from "./api.js";
import { faceOf } from "./draft.js";

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

/** The latest preview of the job that is watched. */
export class Live extends EventTarget {
  job = null;
  picture = null;
  #wanted = null;
  #busy = false;

  begin(job, staying) {
    if (this.job?.id !== job.id) this.#drop();
    this.job = job;
    this.staying = staying;
  }

  end() {
    this.#drop();
    this.job = null;
    this.dispatchEvent(new Event("change"));
  }

  #drop() {
    this.picture?.close();
    this.picture = null;
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
        if (response.ok) {
          const picture = await createImageBitmap(await response.blob());
          if (this.job?.id === id) {
            this.picture?.close();
            this.picture = picture;
            this.dispatchEvent(new Event("change"));
          } else picture.close();
        }
      } catch {
        // The next preview will do.
      }
    }
    this.#busy = false;
  }

  /** Whether the preview shows this frame of the sequence. */
  shows(cell) {
    if (!this.picture || this.staying.has(cell)) return false;
    const [rows, cols] = this.job.layout.split("x").map(Number);
    return this.job.num_frames === rows * cols && cell < rows * cols;
  }

  /** The part of the preview that is a cell: arguments for drawImage. */
  part(cell) {
    const [rows, cols] = this.job.layout.split("x").map(Number);
    const width = this.picture.width / cols;
    const height = this.picture.height / rows;
    return [this.picture, (cell % cols) * width, Math.floor(cell / cols) * height, width, height];
  }
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
