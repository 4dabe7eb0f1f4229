// How far the watched job is, for eyes and for ears.

import { $, duration, plural, say } from "./dom.js";

export class Progress {
  #box = $("#progress");
  #bar = $("#progress progress");
  #text = $("#progress-text");
  #quarter = 0;

  constructor(onCancel) {
    $("#cancel").addEventListener("click", onCancel);
  }

  show(job) {
    if (this.#box.hidden) this.#quarter = 0;
    this.#box.hidden = false;
    if (job.state === "queued") {
      const before = job.position ?? 0;
      this.#bar.removeAttribute("value");
      this.#text.textContent = before > 0 ? `Waiting for ${plural(before, "job")}` : "About to start";
      say(this.#text.textContent);
    } else this.step({ step: job.step, num_steps: job.num_steps, eta_s: job.eta_s });
  }

  step({ step, num_steps: numSteps, sigma, eta_s: eta }) {
    const share = numSteps ? step / numSteps : 0;
    this.#bar.value = share;
    const parts = [`Step ${step} of ${numSteps}`];
    if (sigma !== undefined && sigma !== null) parts.push(`noise ${sigma.toFixed(2)}`);
    if (eta) parts.push(`${duration(eta)} left`);
    this.#text.textContent = parts.join(" · ");
    const quarter = Math.floor(share * 4);
    if (quarter > this.#quarter) say(`${quarter * 25} percent`);
    this.#quarter = quarter;
  }

  hide() {
    this.#box.hidden = true;
  }
}
