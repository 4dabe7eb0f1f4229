// Pictures and clips from the outside: dropped, pasted, or chosen.

import * as api from "./api.js";
import { $, bytes, complain, plural, say } from "./dom.js";
import { layoutOf, numCells, numFrames } from "./draft.js";
import { sourceOfUpload } from "./request.js";

export class Files {
  #picker = $("#picker");
  #cell = 0;
  limits = null; // what the server takes at most, once it has said so

  constructor(draft, strip, modelOf) {
    this.draft = draft;
    this.strip = strip;
    this.modelOf = modelOf;
    this.#picker.addEventListener("change", () => {
      this.put([...this.#picker.files], this.#cell);
      this.#picker.value = "";
    });
    const frame = $("#stage");
    frame.addEventListener("dragover", (event) => this.#over(event));
    frame.addEventListener("dragleave", (event) => {
      if (!frame.contains(event.relatedTarget)) this.strip.target([]);
    });
    frame.addEventListener("drop", (event) => this.#dropped(event));
    // A file that misses the strip must not replace the page.
    for (const name of ["dragover", "drop"])
      addEventListener(name, (event) => event.preventDefault());
    addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.put(files, this.#aim());
    });
  }

  pick(cell = this.#aim()) {
    this.#cell = cell;
    this.#picker.click();
  }

  /** Where a picture goes that was not dropped on a cell: the selected one, or where one is. */
  #aim() {
    const { selected } = this.draft;
    return selected.size ? Math.min(...selected) : this.strip.active;
  }

  #over(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    const cell = Math.max(0, this.strip.cellAt(event.target));
    const count = [...event.dataTransfer.items].filter((item) => item.kind === "file").length;
    this.strip.target([...Array(count).keys()].map((step) => cell + step));
  }

  #dropped(event) {
    event.preventDefault();
    this.strip.target([]);
    const files = [...event.dataTransfer.files];
    if (files.length) this.put(files, Math.max(0, this.strip.cellAt(event.target)));
  }

  /** Put files on the strip: pictures from a cell on, a clip as its frames. */
  async put(files, cell) {
    complain("strip", "");
    const named = files.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    const meter = $("#uploading");
    let at = cell;
    try {
      for (const [index, file] of named.entries()) {
        const name = named.length > 1 ? `${index + 1} of ${named.length}` : file.name || "picture";
        this.#check(file);
        meter.hidden = false;
        const upload = await api.send([file], (share) => {
          meter.textContent = `Uploading ${name} … ${Math.round(share * 100)} %`;
        });
        if (upload.kind === "image") this.#putPicture(upload, at++);
        else this.#putClip(upload);
      }
    } catch (error) {
      complain("strip", error.message);
    } finally {
      meter.hidden = true;
    }
  }

  /** Refuse at once what the server would refuse after gigabytes. */
  #check(file) {
    const most = this.limits?.upload_bytes ?? Infinity;
    if (file.size <= most) return;
    throw new Error(`${file.name} has ${bytes(file.size)} and the server takes at most `
      + `${bytes(most)}. Give a shorter or smaller clip.`);
  }

  #putPicture(upload, cell) {
    const now = this.draft.now;
    if (cell >= numFrames(now)) {
      complain("strip", `There is no cell ${cell} for ${upload.name}. Choose a larger layout.`);
      return;
    }
    const still = { ref: `upload:${upload.id}`, frame: 0, single: true, name: upload.name };
    this.draft.change({
      stills: { ...now.stills, [cell]: still },
      locked: [...now.locked, cell],
    });
    say(`${upload.name} is on cell ${cell} and locked`);
  }

  #putClip(upload) {
    const now = this.draft.now;
    const count = upload.num_frames;
    const source = sourceOfUpload(upload);
    let [rows, cols] = [now.rows, now.cols];
    if (upload.layout) [rows, cols] = upload.layout.split("x").map(Number);
    else if (count < numCells(now)) [rows, cols] = this.#largestUpTo(count) ?? [rows, cols];
    const short = count < rows * cols;
    this.draft.change({
      rows,
      cols,
      frames: null,
      stills: {},
      sigma: null,
      source,
      locked: short ? [...Array(count).keys()] : [],
    });
    say(`${upload.name}: ${plural(count, "frame")}, in a ${layoutOf(this.draft.now)} grid`);
  }

  /** The largest layout that the model knows and so many frames fill. */
  #largestUpTo(count) {
    const known = (this.modelOf()?.layouts ?? []).map((text) => text.split("x").map(Number));
    const fitting = known.filter(([rows, cols]) => rows * cols <= count && rows * cols > 1);
    return fitting.sort((a, b) => b[0] * b[1] - a[0] * a[1])[0];
  }
}
