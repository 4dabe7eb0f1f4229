// The monitor: play, loop, scrub, onion skin, and the result beside what it was made from.

import { $, setIcon, wantsStillness } from "./dom.js";
import { drawable, imageOf, shownFrames } from "./frames.js";

const GHOST = 0.32;

export class Player extends EventTarget {
  #canvas = $("#screen");
  #scrub = $("#scrub");
  #frame = 0;
  #playing = false;
  #last = 0;
  #onion = false;
  #compare = false;

  constructor(draft, live) {
    super();
    this.draft = draft;
    this.live = live;
    $("#play").addEventListener("click", () => this.toggle());
    $("#step-back").addEventListener("click", () => this.step(-1));
    $("#step-on").addEventListener("click", () => this.step(1));
    this.#scrub.addEventListener("input", () => {
      this.pause();
      this.show(Number(this.#scrub.value));
    });
    $("#loop-play").addEventListener("click", (event) => flip(event.currentTarget));
    $("#onion").addEventListener("click", (event) => {
      this.#onion = flip(event.currentTarget);
      this.draw();
    });
    $("#compare").addEventListener("click", (event) => {
      this.#compare = flip(event.currentTarget);
      this.draw();
    });
    $("#fps").addEventListener("input", () => this.draw());
    draft.addEventListener("change", () => this.refresh());
    live.addEventListener("change", () => this.refresh());
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
    this.refresh();
  }

  get count() {
    return shownFrames(this.draft.now, this.live);
  }

  /** Frames per second: as set, or those of the frames. */
  get fps() {
    const own = this.live.job?.fps ?? this.draft.now.source?.fps ?? 8;
    return Number($("#fps").value) || own;
  }

  refresh() {
    const { count } = this;
    this.#frame = Math.min(this.#frame, count - 1);
    this.#scrub.max = count - 1;
    $("#fps").placeholder = this.live.job?.fps ?? this.draft.now.source?.fps ?? 8;
    $("#compare").disabled = !this.#before(0);
    const still = count === 1;
    for (const name of ["#play", "#step-back", "#step-on", "#scrub", "#onion"]) $(name).disabled = still;
    this.#read();
    this.draw();
  }

  toggle() {
    if (this.#playing) this.pause();
    else this.play();
  }

  play() {
    if (this.count < 2) return;
    if (this.#frame === this.count - 1) this.#frame = 0;
    this.#playing = true;
    this.#last = performance.now();
    this.#label();
    requestAnimationFrame((now) => this.#tick(now));
  }

  /** Play, unless whoever looks has asked for no motion. */
  playGently() {
    if (!wantsStillness() && !this.#playing) this.play();
  }

  pause() {
    this.#playing = false;
    this.#label();
  }

  step(by) {
    this.pause();
    this.show((this.#frame + by + this.count) % this.count);
  }

  show(frame) {
    this.#frame = Math.max(0, Math.min(frame, this.count - 1));
    this.#read();
    this.draw();
    this.dispatchEvent(new CustomEvent("frame", { detail: this.#frame }));
  }

  #label() {
    const button = $("#play");
    setIcon(button, this.#playing ? "pause" : "play");
    button.setAttribute("aria-label", this.#playing ? "Pause" : "Play");
    button.title = this.#playing ? "Pause (K)" : "Play (K)";
  }

  #read() {
    this.#scrub.value = this.#frame;
    this.#scrub.setAttribute("aria-valuetext", `Frame ${this.#frame} of 0 to ${this.count - 1}`);
    $("#frame-number").textContent = `${this.#frame} / ${this.count - 1}`;
  }

  #tick(now) {
    if (!this.#playing) return;
    const time = 1000 / this.fps;
    if (now - this.#last >= time) {
      this.#last = Math.max(this.#last + time, now - time);
      const next = this.#frame + 1;
      if (next < this.count) this.show(next);
      else if ($("#loop-play").getAttribute("aria-pressed") === "true") this.show(0);
      else this.pause();
    }
    requestAnimationFrame((later) => this.#tick(later));
  }

  /** The picture that a frame was made from, if there is one. */
  #before(frame) {
    const { source } = this.draft.now;
    if (this.live.job && source) return drawable(this.draft.now, null, frame, () => this.draw());
    const from = source?.from;
    if (!from || from.start + frame * from.stride >= from.numFrames) return null;
    const face = { ref: from.ref, frame: from.start + frame * from.stride };
    const image = imageOf(face, () => this.refresh());
    if (!image.complete) return [image, 0, 0, 1, 1]; // on its way
    return image.naturalWidth ? [image, 0, 0, image.naturalWidth, image.naturalHeight] : null;
  }

  draw() {
    const canvas = this.#canvas;
    const { clientWidth, clientHeight } = canvas;
    if (!clientWidth) return;
    const scale = devicePixelRatio;
    if (canvas.width !== Math.round(clientWidth * scale)) canvas.width = Math.round(clientWidth * scale);
    if (canvas.height !== Math.round(clientHeight * scale)) canvas.height = Math.round(clientHeight * scale);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    const now = drawable(this.draft.now, this.live, this.#frame, () => this.draw());
    const before = this.#compare ? this.#before(this.#frame) : null;
    const paired = this.#compare && before;
    $("#monitor").classList.toggle("paired", Boolean(paired));
    const width = paired ? canvas.width / 2 - scale : canvas.width;
    if (paired) place(context, before, 0, width, canvas.height, 1);
    const left = canvas.width - width;
    if (now) place(context, now, left, width, canvas.height, 1);
    if (this.#onion && this.count > 1) {
      for (const by of [-1, 1]) {
        const frame = this.#frame + by;
        if (frame < 0 || frame >= this.count) continue;
        const ghost = drawable(this.draft.now, this.live, frame, () => this.draw());
        if (ghost) place(context, ghost, left, width, canvas.height, GHOST);
      }
    }
    $("#screen-empty").hidden = Boolean(now);
  }
}

/** Draw a picture as large as it fits. */
function place(context, [image, x, y, width, height], left, roomWide, roomHigh, alpha) {
  if (image instanceof HTMLImageElement && !image.naturalWidth) return;
  const scale = Math.min(roomWide / width, roomHigh / height);
  const [wide, high] = [width * scale, height * scale];
  context.globalAlpha = alpha;
  context.drawImage(image, x, y, width, height, left + (roomWide - wide) / 2, (roomHigh - high) / 2, wide, high);
  context.globalAlpha = 1;
}

function flip(button) {
  const pressed = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", pressed);
  return pressed;
}
