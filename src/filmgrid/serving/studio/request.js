// From a draft to a request of the API, and from a job back to a draft.

import * as api from "./api.js";
import { cellList, parseCells } from "./dom.js";
import { EMPTY, faceOf, isCovered, isLong, layoutOf, numCells, numFrames } from "./draft.js";

/** Why a draft cannot be asked for, in a sentence. */
export class DraftError extends Error {}

/** Where sampling starts: as set, or what the task is used to. */
export function startOf(draft, model, action = { kind: "make" }) {
  if (!canStartBelow(draft)) return 1;
  if (draft.sigma !== null) return draft.sigma;
  const defaults = model?.task_defaults ?? {};
  if (action.kind === "redraw") return defaults.redraw ?? 1;
  return draft.source.ref.startsWith("upload:") ? (defaults.edit ?? 0.85) : 1;
}

/** Whether there are frames to start from, instead of pure noise. */
export const canStartBelow = (draft) => isCovered(draft) && !Object.keys(draft.stills).length;

/** The prompt as it is sent: a single grid has one, so what its rows show is joined. */
export function wholePrompt(draft) {
  const rows = draft.perRow && !isLong(draft) ? rowTexts(draft) : [];
  const first = draft.prompt.trim();
  return [first, ...rows.map(([, text]) => text)].filter(Boolean).join(", then ");
}

function rowTexts(draft) {
  const last = Math.ceil(numFrames(draft) / draft.cols);
  return Object.entries(draft.rowPrompts)
    .map(([row, text]) => [Number(row), text.trim()])
    .filter(([row, text]) => row > 0 && row < last && text)
    .sort((a, b) => a[0] - b[0]);
}

/**
 * The request for what is to be done with a draft.
 *
 * @param action {kind: "make"}, {kind: "redraw", cells}, {kind: "extend"},
 *   {kind: "between", count} or {kind: "upscale", factor}
 * @throws DraftError if there is nothing to do it with
 */
export function build(draft, action, model) {
  const request = { prompt: wholePrompt(draft), layout: layoutOf(draft), seed: draft.seed };
  if (draft.model) request.model = draft.model;
  for (const name of ["negative", "steps", "guidance"])
    if (draft[name] !== null && draft[name] !== "") request[name] = draft[name];
  const build = { make, redraw, extend, between, upscale }[action.kind];
  const made = build(draft, action, request, model);
  const refs = [made.video, made.image, ...(made.keyframe ?? [])].filter(Boolean);
  if (refs.some((ref) => ref.includes("upload:"))) made.fit = draft.fit;
  return made;
}

function make(draft, action, request, model) {
  const start = startOf(draft, model, action);
  const { locked } = draft;
  if (locked.length === numFrames(draft))
    throw new DraftError("All cells are locked. Unlock those that should be made.");
  if (start < 1) return edit(draft, request, locked, start);
  if (!locked.length) return { ...request, ...length(draft) };
  if (comesFromSource(draft, locked) && isCovered(draft)) {
    const rest = cells(draft).filter((cell) => !locked.includes(cell));
    if (isLong(draft)) return edit(draft, request, locked, 1);
    return { ...request, ...video(draft), redraw: cellList(rest) };
  }
  const { source } = draft;
  const known = source ? Math.ceil((source.numFrames - source.start) / source.stride) : 0;
  if (known && comesFromSource(draft, locked) && locked.length === known && locked.at(-1) === known - 1)
    return { ...request, ...video(draft), task: "extend", ...length(draft) };
  return pictures(draft, request, locked);
}

function redraw(draft, action, request, model) {
  const asked = action.cells.filter((cell) => !draft.locked.includes(cell));
  if (!action.cells.length)
    throw new DraftError("No cell is selected. Click one, or press Space on it.");
  if (!asked.length) throw new DraftError("The selected cells are locked. Unlock them first.");
  if (!draft.source && !Object.keys(draft.stills).length)
    throw new DraftError("There is nothing to redraw yet. Make a sequence, or drop a clip here.");
  const stay = cells(draft).filter((cell) => !asked.includes(cell) && faceOf(draft, cell));
  const start = startOf(draft, model, action);
  if (isCovered(draft) && comesFromSource(draft, stay)) {
    if (isLong(draft)) return edit(draft, request, stay, start);
    const made = { ...request, ...video(draft), redraw: cellList(asked) };
    return start < 1 ? { ...made, sigma: start } : made;
  }
  return pictures(draft, request, stay);
}

function extend(draft, action, request) {
  const { source } = needSource(draft, "extend");
  const frames = Math.floor((source.numFrames - source.start - 1) / source.stride) + 1 + draft.cols;
  return { ...request, ...video(draft), task: "extend", frames };
}

function between(draft, action, request) {
  needSource(draft, "slow down");
  return { ...request, ...video(draft), between: action.count };
}

/** Frames as they are, enlarged: all stay, and sampling starts where nothing changes. */
function upscale(draft, action, request) {
  needSource(draft, "enlarge");
  const all = cellList(cells(draft));
  const made = { ...request, ...video(draft), task: "edit", sigma: 0, lock: all };
  return { ...made, ...length(draft), upscale: action.factor };
}

function edit(draft, request, locked, sigma) {
  const made = { ...request, ...video(draft), ...length(draft), task: "edit", sigma };
  delete made.loop;
  return locked.length ? { ...made, lock: cellList(locked) } : made;
}

/** A sequence around single pictures. */
function pictures(draft, request, stay) {
  const entries = stay.map((cell) => [cell, pictureRef(faceOf(draft, cell))]);
  const made = { ...request, ...length(draft) };
  if (entries.length === 1 && entries[0][0] === 0) return { ...made, image: entries[0][1] };
  return { ...made, keyframe: entries.map(([cell, ref]) => `${cell}=${ref}`) };
}

function pictureRef(face) {
  return face.single ? face.ref : `${face.editRef ?? face.ref}/${face.frame}`;
}

function video(draft) {
  const { ref, editRef, start, stride } = draft.source;
  const made = { video: editRef ?? ref };
  if (start) made.video_start = start;
  if (stride > 1) made.video_stride = stride;
  return made;
}

function length(draft) {
  if (!isLong(draft)) return {};
  const made = { frames: draft.frames };
  const rows = draft.perRow ? rowTexts(draft) : [];
  if (rows.length) made.segment = rows.map(([row, text]) => `${row * draft.cols}=${text}`);
  if (draft.loop && !draft.source) made.loop = true;
  return made;
}

const cells = (draft) => [...Array(numFrames(draft)).keys()];
const comesFromSource = (draft, some) => some.every((cell) => !draft.stills[cell]);

function needSource(draft, verb) {
  if (!draft.source)
    throw new DraftError(`There is nothing to ${verb} yet. Make a sequence, or drop a clip here.`);
  return draft;
}

/** Cells whose pictures a job leaves as they are; of one that goes on, those there are. */
export function stayingCells(job, draft) {
  const { request } = job;
  const all = [...Array(job.num_frames).keys()];
  if (request.task === "extend") return new Set(all.filter((cell) => faceOf(draft, cell)));
  if (request.redraw) return new Set(all.filter((cell) => !parseCells(request.redraw).includes(cell)));
  if (request.lock) return new Set(parseCells(request.lock));
  const pictured = (request.keyframe ?? []).map((entry) => Number(entry.split("=")[0]));
  return new Set(request.image ? [0, ...pictured] : pictured);
}

/** The frames of a finished job, as what cells show. */
export function sourceOf(job) {
  const [height, width] = job.cell;
  return {
    ref: `job:${job.id}`,
    numFrames: job.num_frames,
    height,
    width,
    fps: job.fps,
    start: 0,
    stride: 1,
    name: job.name || job.request.prompt || "sequence",
    // What was only enlarged is edited at the size that the model paints.
    editRef: isEnlarged(job) ? job.request.video : null,
    from: beforeOf(job),
  };
}

/** Where the frames lie that a job was made from, frame by frame beside its own. */
function beforeOf({ request, num_frames: count, layout }) {
  const { video, video_start: start = 0, video_stride: stride = 1, between = 0 } = request;
  if (!video || between) return null;
  const there = request.task === "extend" ? count - Number(layout.split("x")[1]) : count;
  return { ref: video, start, stride, numFrames: start + there * stride };
}

const isEnlarged = ({ request }) => request.upscale > 1 && request.sigma === 0 && request.video;

/** A clip or picture that was uploaded, as what cells show. */
export function sourceOfUpload(upload) {
  const { num_frames: numFrames, height, width, fps, name } = upload;
  return { ref: `upload:${upload.id}`, numFrames, height, width, fps, start: 0, stride: 1, name };
}

/** The draft that a job was made from; of a finished one with its frames in the cells. */
export async function draftOf(job, base = EMPTY) {
  const { request } = job;
  const [rows, cols] = job.layout.split("x").map(Number);
  const draft = {
    ...EMPTY,
    model: request.model ?? base.model,
    keepSeed: base.keepSeed,
    prompt: request.prompt ?? "",
    negative: request.negative ?? "",
    rows,
    cols,
    frames: job.num_frames === rows * cols ? null : job.num_frames,
    loop: request.loop ?? false,
    seed: request.seed ?? 0,
    steps: request.steps ?? null,
    guidance: request.guidance ?? null,
    sigma: request.upscale > 1 ? null : (request.sigma ?? null),
    fit: request.fit ?? "crop",
  };
  for (const text of request.segment ?? []) {
    const [frame, ...rest] = text.split("=");
    draft.rowPrompts = { ...draft.rowPrompts, [Math.floor(frame / cols)]: rest.join("=") };
    draft.perRow = true;
  }
  if (job.state === "done") {
    const made = { ...draft, source: sourceOf(job) };
    const free = request.redraw || request.upscale > 1 || request.task === "extend";
    return free ? made : { ...made, locked: [...stayingCells(job, made)] };
  }
  const pictures = (request.keyframe ?? []).map((entry) => entry.split("="));
  if (request.image) pictures.unshift([0, request.image]);
  for (const [cell, ref] of pictures) {
    const [place, frame] = ref.split("/");
    const single = frame === undefined;
    draft.stills = { ...draft.stills, [cell]: { ref: place, frame: Number(frame ?? 0), single } };
  }
  if (request.video) draft.source = await givenSource(request);
  if (!request.redraw && request.task !== "extend") draft.locked = [...stayingCells(job, draft)];
  return draft;
}

async function givenSource(request) {
  const [kind, id] = request.video.split(":");
  const window = { start: request.video_start ?? 0, stride: request.video_stride ?? 1 };
  try {
    if (kind === "job") return { ...sourceOf(await api.job(id)), ...window };
    return { ...sourceOfUpload(await api.upload(id)), ...window };
  } catch {
    return null; // it was deleted; the rest of the settings are still good
  }
}

export const describeAction = (draft, action, model) => {
  const free = numFrames(draft) - draft.locked.length;
  const start = startOf(draft, model, action);
  if (start < 1) return `Change ${free === 1 ? "1 frame" : `${free} frames`}`;
  const rest = draft.locked.length ? "the other " : "";
  if (numCells(draft) === 1 && !isLong(draft)) return "Make the image";
  return `Make ${rest}${free} ${free === 1 ? "frame" : "frames"}`;
};
