// Everything that leaves the page: files in each format.

import * as api from "./api.js";
import { $, complain, make, say } from "./dom.js";

const FORMATS = [
  ["mp4", "Video", "mp4, plays everywhere"],
  ["webm", "Video for the web", "webm, VP9"],
  ["gif", "GIF", "animation, 256 colours"],
  ["webp", "WebP", "animation, lossless"],
  ["png", "Grid", "one png, lossless, holds its settings"],
  ["frames", "Frames", "zip of numbered png, lossless"],
  ["sprite", "Sprite sheet", "zip of png and json"],
  ["transforms", "Cameras", "zip of frames and transforms.json"],
  ["nifti", "Volume", "NIfTI, frames as slices"],
];

export class Exporter {
  constructor(draft) {
    this.draft = draft;
    $("#formats").replaceChildren(...FORMATS.map(([format, name, about]) =>
      make("li", {}, make("button", {
        type: "button",
        class: "item",
        "data-format": format,
        onclick: (event) => this.#fetch(event.currentTarget, format, name),
      }, make("span", { text: name }), make("small", { text: about })))));
  }

  get job() {
    const ref = this.draft.now.source?.ref ?? "";
    return ref.startsWith("job:") ? ref.slice(4) : null;
  }

  async #fetch(button, format, name) {
    const query = {};
    if ($("#scale").value !== "1") query.scale = $("#scale").value;
    if ($("#fps").value) query.fps = $("#fps").value;
    const path = api.exportPath(this.job, format, query);
    complain("export", "");
    button.setAttribute("aria-busy", "true");
    try {
      await api.ready(path);
      const link = make("a", { href: path, download: "" });
      link.click();
      say(`${name} is being downloaded`);
      $("#exports").hidePopover();
    } catch (error) {
      complain("export", error.message);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}
