// What is known of the sequence on the strip: enough to tell it from others and to repeat it.

import * as api from "./api.js";
import { $, bytes, duration, make } from "./dom.js";

let shown = null;

/** @param known what the page remembers of jobs, by id */
export async function renderFacts(id, known) {
  if (id === shown) return;
  shown = id;
  const list = $("#facts");
  list.hidden = true;
  if (!id) return;
  let job;
  try {
    job = known(id) ?? (await api.job(id));
  } catch {
    return; // it was deleted meanwhile
  }
  if (id !== shown) return;
  list.replaceChildren(...factsOf(job).flatMap(([name, text]) =>
    [make("dt", { text: name }), make("dd", { text })]));
  list.hidden = false;
}

function factsOf(job) {
  const { request } = job;
  const used = { ...request, ...job.resolved };
  const [height, width] = job.cell;
  const facts = [
    ["Prompt", request.prompt || "none"],
    ["Frames", `${job.num_frames} of ${width} × ${height} px`],
    ["Layout", job.layout.replace("x", " × ")],
    ["Seed", String(used.seed ?? 0)],
  ];
  if (used.steps) facts.push(["Steps", String(used.steps)]);
  if (used.sigma !== undefined && used.sigma !== null && used.sigma < 1) facts.push(["Start", String(used.sigma)]);
  if (used.redraw) facts.push(["Redrawn", used.redraw]);
  if (job.started && job.finished) facts.push(["Took", duration(job.finished - job.started)]);
  if (job.bytes) facts.push(["Size", bytes(job.bytes)]);
  return facts;
}
