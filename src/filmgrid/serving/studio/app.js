// The studio: puts the parts together, and follows the job whose frames come into the cells.

import * as api from "./api.js";
import { Compose, drawSeed } from "./compose.js";
import { $, $$, complain, make, plural, say, setIcon } from "./dom.js";
import { Draft, faceOf, numCells, numFrames } from "./draft.js";
import { Exporter } from "./export.js";
import { renderFacts } from "./facts.js";
import { Files } from "./files.js";
import { Live } from "./frames.js";
import { History } from "./history.js";
import { Layouts } from "./layouts.js";
import { Player } from "./player.js";
import { Progress } from "./progress.js";
import { build, draftOf, sourceOf, stayingCells } from "./request.js";
import { Strip } from "./strip.js";
import "./view.js";

const PENDING = "filmgrid.pending";
const FINAL = ["done", "failed", "cancelled"];

const draft = new Draft();
const live = new Live(draft);
let models = [];
let sending = false;
let usedSeed = null;

const modelOf = () => models.find((each) => each.name === draft.now.model) ?? models[0];

const strip = new Strip(draft, live, {
  lock: toggleLock,
  clear,
  redraw: () => submit({ kind: "redraw", cells: [...draft.selected] }),
  pick: (cell) => files.pick(cell),
  show: (cell) => {
    player.pause();
    player.show(cell);
  },
  rowPrompt: (row, text) =>
    draft.change({ rowPrompts: { ...draft.now.rowPrompts, [row]: text } }, `row ${row}`),
});
const files = new Files(draft, strip, modelOf);
const player = new Player(draft, live);
const compose = new Compose(draft, modelOf);
const progress = new Progress(() => draft.watched && act(draft.watched, "cancel"));
const history = new History({ onOpen: open });
const exporter = new Exporter(draft);
new Layouts(draft, modelOf);

// Asking for something

/** Submit what is to be done. The key makes of a press that is sent twice one job. */
async function submit(action) {
  if (sending) return;
  const place = { make: "make", upscale: "export", between: "export" }[action.kind] ?? "strip";
  for (const each of ["make", "strip", "export"]) complain(each, "");
  let request;
  try {
    const fresh = !draft.now.keepSeed && action.kind !== "upscale" && draft.now.seed === usedSeed;
    if (fresh) draft.adjust({ seed: drawSeed() });
    request = build(draft.now, action, modelOf());
  } catch (error) {
    complain(place, error.message);
    return;
  }
  sending = true;
  document.body.classList.add("sending");
  try {
    const bits = [...crypto.getRandomValues(new Uint8Array(16))];
    const key = bits.map((bit) => bit.toString(16).padStart(2, "0")).join("");
    await send({ key, request });
    usedSeed = request.seed;
    compose.render(); // asks for the cost again, which the job had dropped
  } catch (error) {
    complain(place, error.message);
  } finally {
    sending = false;
    document.body.classList.remove("sending");
  }
}

/** Send a request that is remembered until it is answered, so that a reload sends it again. */
async function send(pending) {
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  try {
    const job = await api.submit(pending.request, pending.key);
    sessionStorage.removeItem(PENDING);
    history.update(job);
    watch(job);
  } catch (error) {
    if (error.status !== 0) sessionStorage.removeItem(PENDING);
    throw error;
  }
}

async function act(id, verb) {
  try {
    follow(await api.act(id, verb));
  } catch (error) {
    complain("strip", error.message);
  }
}

// Following a job

function watch(job) {
  draft.watch(job.id);
  history.mark(job.id);
  follow(job);
}

/** What is known of a job now. */
function follow(job) {
  history.update(job);
  if (job.id !== draft.watched) return;
  if (FINAL.includes(job.state)) {
    finish(job);
    return;
  }
  live.begin(job, stayingCells(job, draft.now));
  progress.show(job);
  strip.render();
  player.refresh();
}

function finish(job) {
  progress.hide();
  draft.watch(null);
  if (job.state === "done") {
    const [rows, cols] = job.layout.split("x").map(Number);
    const frames = job.num_frames === rows * cols ? null : job.num_frames;
    const source = sourceOf(job);
    if (!source.from && draft.now.source) source.from = { ...draft.now.source, from: null };
    draft.change({ source, stills: {}, rows, cols, frames });
    say(`Done: ${plural(job.num_frames, "frame")}`);
    player.playGently();
  } else {
    const text = job.state === "failed" ? job.error || "It failed without a reason." : "";
    complain("strip", text);
    say(text || "Cancelled");
  }
  live.end();
  strip.render();
  player.refresh();
}

/** Bring a job back: its settings, and its frames or its progress. */
async function open(job) {
  complain("strip", "");
  const made = await draftOf(job, draft.now);
  live.end();
  progress.hide();
  draft.select([]);
  draft.change(made);
  if (matchMedia("(max-width: 1180px)").matches) $("#stage").scrollIntoView();
  usedSeed = made.seed;
  if (FINAL.includes(job.state)) {
    draft.watch(null);
    history.mark(job.id);
    if (job.state === "failed") complain("strip", job.error);
    if (job.state === "done") player.playGently();
  } else {
    watch(job);
    if (job.step > 1) live.show(api.previewPath(job.id, job.step));
  }
}

// Cells

function toggleLock(cells) {
  const { now } = draft;
  const shown = cells.filter((cell) => faceOf(now, cell));
  if (!shown.length) {
    complain("strip", "An empty cell has nothing to keep. Drop a picture on it first.");
    return;
  }
  complain("strip", "");
  const lock = shown.some((cell) => !now.locked.includes(cell));
  const others = now.locked.filter((cell) => !shown.includes(cell));
  draft.change({ locked: lock ? [...others, ...shown] : others });
  say(`${plural(shown.length, "cell")} ${lock ? "locked" : "unlocked"}`);
}

/** Take pictures off cells, or all that is on the strip. */
function clear(cells) {
  const { now } = draft;
  const stills = Object.fromEntries(
    Object.entries(now.stills).filter(([cell]) => !cells.includes(Number(cell))),
  );
  const some = Object.keys(stills).length < Object.keys(now.stills).length;
  if (some) {
    const gone = cells.filter((cell) => now.stills[cell]);
    draft.change({ stills, locked: now.locked.filter((cell) => !gone.includes(cell)) });
    say("Picture taken off");
  } else complain("strip", "Only pictures that were put on a cell can be taken off.");
}

// Controls

function bind(selector, act) {
  $(selector).addEventListener("click", act);
}

function chosen() {
  return draft.selected.size ? [...draft.selected] : [strip.active];
}

$("#compose").addEventListener("submit", (event) => event.preventDefault());
bind("#make", (event) => event.detail < 2 && submit({ kind: "make" }));
bind("#redraw", (event) => event.detail < 2 && submit({ kind: "redraw", cells: [...draft.selected] }));
bind("#lock", () => toggleLock(chosen()));
bind("#picture", () => files.pick());
bind("#select-all", () => {
  const all = draft.selected.size === numFrames(draft.now);
  draft.select(all ? [] : Array(numFrames(draft.now)).keys());
});
bind("#empty", () => draft.change({ source: null, stills: {}, locked: [], frames: null, sigma: null }));
bind("#add-row", (event) => event.detail < 2 && submit({ kind: "extend" }));
bind("#undo", () => draft.undo());
bind("#redo", () => draft.redo());
for (const button of $$("[data-upscale]"))
  button.addEventListener("click", () => {
    $("#enlarge").hidePopover();
    submit({ kind: "upscale", factor: Number(button.dataset.upscale) });
  });
for (const button of $$("[data-between]"))
  button.addEventListener("click", () => {
    $("#slower").hidePopover();
    submit({ kind: "between", count: Number(button.dataset.between) });
  });
player.addEventListener("frame", (event) => strip.playhead(event.detail));

addEventListener("keydown", (event) => {
  const held = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  const writing = event.target.matches("textarea, input, select");
  if (held && key === "enter") submit({ kind: "make" });
  else if (held && key === "z" && !writing) event.shiftKey ? draft.redo() : draft.undo();
  else if (held && key === "y" && !writing) draft.redo();
  else if (held || event.altKey || writing || document.querySelector("dialog[open]")) return;
  else if (!event.target.closest("#stage, #monitor, body:focus")) return;
  else if (key === "k") player.toggle();
  else if (key === ",") player.step(-1);
  else if (key === ".") player.step(1);
  else if (key === "o") $("#onion").click();
  else if (key === "c") $("#compare").click();
  else if (key === "?") $("#help").showModal();
  else return;
  event.preventDefault();
});

function refresh() {
  const { now, selected } = draft;
  const count = selected.size;
  $("#undo").disabled = !draft.canUndo;
  $("#redo").disabled = !draft.canRedo;
  $("#redraw").disabled = !count;
  $("#redraw-label").textContent = count ? `Redraw ${count}` : "Redraw";
  $("#lock").disabled = !count;
  const shown = [...selected].filter((cell) => faceOf(now, cell));
  const unlocking = shown.length > 0 && shown.every((cell) => now.locked.includes(cell));
  $("#lock-label").textContent = unlocking ? "Unlock" : "Lock";
  setIcon($("#lock"), unlocking ? "unlock" : "lock");
  $("#selection").textContent = count
    ? `${count} of ${numFrames(now)} selected`
    : `${plural(numFrames(now), "cell")}${now.locked.length ? `, ${now.locked.length} locked` : ""}`;
  const none = !now.source;
  $("#empty").disabled = none && !Object.keys(now.stills).length;
  $("#add-row").disabled = none || numCells(now) === 1;
  $("#enlarge-button").disabled = none;
  $("#slower-button").disabled = none || numFrames(now) === 1;
  $("#export").disabled = !exporter.job;
  renderFacts(exporter.job, (id) => history.get(id));
}
draft.addEventListener("change", refresh);
draft.addEventListener("select", refresh);

// Coming up

/** What is going on at the server: all jobs, and the one whose frames are wanted here. */
async function catchUp() {
  $("#offline").hidden = true;
  await history.load();
  if (!draft.watched) return;
  try {
    follow(await api.job(draft.watched));
  } catch (error) {
    if (error.status !== 404) throw error;
    draft.watch(null);
    live.end();
    progress.hide();
  }
}

async function start() {
  refresh();
  [models, files.limits] = await Promise.all([api.models(), api.limits()]);
  $("#model").replaceChildren(...models.map(({ name, licence }) =>
    make("option", { value: name, text: name, title: licence })));
  if (!models.some((each) => each.name === draft.now.model)) {
    const [first] = models;
    const [rows, cols] = (first?.default_layout ?? "4x4").split("x").map(Number);
    draft.adjust(draft.now.source ? { model: first?.name } : { model: first?.name, rows, cols });
  }
  compose.render();
  const pending = sessionStorage.getItem(PENDING);
  if (pending) await send(JSON.parse(pending));
}

api.listen({
  onState: follow,
  onProgress: (event) => {
    history.progress(event);
    if (event.job !== draft.watched) return;
    progress.step(event);
    live.advance(event);
  },
  onPreview: (event) => {
    if (event.job === draft.watched) live.show(api.previewPath(event.job, event.step));
  },
  onDeleted: ({ id }) => history.forget(id),
  onConnect: () => catchUp().catch(() => ($("#offline").hidden = false)),
  onSilence: () => ($("#offline").hidden = false),
});

start()
  .catch((error) => complain("make", error.message))
  .finally(() => {
    document.documentElement.dataset.ready = "";
    performance.mark("ready");
  });
