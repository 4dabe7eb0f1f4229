// Jobs, newest first: what runs, what is done, and a way back to each with its settings.

import * as api from "./api.js";
import { $, clock, complain, duration, icon, make, plural, say } from "./dom.js";

const PAGE = 24;

export class History {
  #list = $("#jobs");
  #jobs = new Map(); // id -> job
  #next = null;
  #shown = null;

  constructor({ onOpen }) {
    this.onOpen = onOpen;
    $("#more-jobs").addEventListener("click", () => this.#older());
    this.#list.addEventListener("keydown", (event) => this.#move(event));
  }

  get(id) {
    return this.#jobs.get(id);
  }

  /** All that is there, anew. */
  async load() {
    const { jobs, next } = await api.jobs(PAGE);
    this.#jobs = new Map(jobs.map((job) => [job.id, job]));
    this.#next = next;
    this.render();
  }

  async #older() {
    try {
      const { jobs, next } = await api.jobs(PAGE, this.#next);
      for (const job of jobs) this.#jobs.set(job.id, job);
      this.#next = next;
      this.render();
    } catch (error) {
      complain("history", error.message);
    }
  }

  update(job) {
    this.#jobs.set(job.id, job);
    this.render();
  }

  forget(id) {
    if (this.#jobs.delete(id)) this.render();
  }

  progress({ job: id, step, num_steps: numSteps, eta_s: eta }) {
    const job = this.#jobs.get(id);
    if (!job) return;
    this.#jobs.set(id, { ...job, step, num_steps: numSteps, eta_s: eta });
    const bar = this.#list.querySelector(`[data-job="${id}"] progress`);
    if (bar) bar.value = step / numSteps;
  }

  mark(id) {
    this.#shown = id;
    for (const card of this.#list.children) {
      const open = $(".open", card);
      if (card.dataset.job === id) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
    }
  }

  render() {
    const jobs = [...this.#jobs.values()].sort((a, b) => b.created - a.created);
    const there = new Map([...this.#list.children].map((card) => [card.dataset.job, card]));
    const focused = document.activeElement?.closest?.("#jobs li")?.dataset.job;
    const wanted = jobs.map((job) => {
      const old = there.get(job.id);
      const look = [job.state, job.pinned, job.finished].join();
      if (old?.dataset.look === look) return old;
      const card = this.#card(job, look);
      old?.replaceWith(card);
      return card;
    });
    if (wanted.some((card, index) => this.#list.children[index] !== card) || wanted.length !== this.#list.children.length)
      this.#list.replaceChildren(...wanted);
    if (focused && document.activeElement === document.body)
      $(`[data-job="${focused}"] .open`, this.#list)?.focus();
    $("#no-jobs").hidden = jobs.length > 0;
    $("#more-jobs").hidden = !this.#next;
    this.mark(this.#shown);
  }

  #card(job, look) {
    const name = job.name || job.request.prompt || "without a prompt";
    const busy = job.state === "queued" || job.state === "running";
    const face = job.state === "done"
      ? make("img", { alt: "", src: api.thumbPath(job.id, job.attempt), draggable: false })
      : make("span", { class: "face" }, icon({ failed: "alert", cancelled: "stop" }[job.state] ?? "film"));
    const bar = busy ? make("progress", { value: job.step / (job.num_steps || 1), max: 1, "aria-hidden": true }) : null;
    const open = make("button", {
      type: "button",
      class: "open",
      title: job.error ?? name,
      onclick: () => this.onOpen(this.#jobs.get(job.id)),
    }, face, bar,
      make("span", { class: "name", text: name }),
      make("span", { class: "when", text: state(job) }));
    const tools = make("div", { class: "tools" });
    if (busy) tools.append(this.#tool("stop", "Cancel", name, () => this.#act(job.id, "cancel")));
    else {
      const pin = job.pinned ? "unpin" : "pin";
      const told = job.pinned ? "Do not keep for ever" : "Keep for ever";
      if (job.state !== "done")
        tools.append(this.#tool("retry", "Try again", name, () => this.#act(job.id, "retry")));
      const pinner = this.#tool("pin", told, name, () => this.#act(job.id, pin));
      pinner.setAttribute("aria-pressed", job.pinned);
      tools.append(pinner, this.#tool("trash", "Delete", name, () => this.#ask(job, name)));
    }
    return make("li", { "data-job": job.id, "data-look": look, class: job.state }, open, tools);
  }

  #tool(symbol, label, name, act) {
    const button = make("button", { type: "button", class: "ghost", title: label, "aria-label": `${label}: ${name}` }, icon(symbol));
    button.addEventListener("click", act);
    return button;
  }

  async #act(id, verb) {
    complain("history", "");
    try {
      this.update(await api.act(id, verb));
    } catch (error) {
      complain("history", error.message);
    }
  }

  #ask(job, name) {
    const dialog = $("#confirm");
    $("#confirm-text").textContent = `Delete “${name}” and its ${plural(job.num_frames, "frame")}? This cannot be undone.`;
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "yes") this.#delete(job.id);
    }, { once: true });
  }

  async #delete(id) {
    try {
      await api.remove(id);
      this.forget(id);
      say("Deleted");
    } catch (error) {
      complain("history", error.message);
    }
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const card = event.target.closest("li");
    if (!step || !card) return;
    const next = step > 0 ? card.nextElementSibling : card.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    $(".open", next).focus();
  }
}

function state(job) {
  if (job.state === "done") {
    const took = job.started ? ` · ${duration(job.finished - job.started)}` : "";
    return `${clock(job.created)}${took}`;
  }
  if (job.state === "queued") return "queued";
  return job.state;
}
