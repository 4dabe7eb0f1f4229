// The service's HTTP API. Paths are relative, so the page also works behind a prefix.

/** What the service answered, as one sentence. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const SILENT = "The server does not answer. Your work is kept here; it goes on when it is back.";

function sentence(status, text) {
  try {
    const { detail } = JSON.parse(text);
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail) && detail[0]?.msg) return `${detail[0].loc?.at(-1)}: ${detail[0].msg}`;
  } catch {
    // Not JSON: a proxy in between, or a server that is starting.
  }
  return `The server answered ${status} without a reason.`;
}

/** Status of a question that nobody waits for any more. */
export const DROPPED = -1;

async function call(method, path, body, headers = {}, signal = undefined) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch {
    throw signal?.aborted ? new ApiError(DROPPED, "") : new ApiError(0, SILENT);
  }
  if (!response.ok) throw new ApiError(response.status, sentence(response.status, text));
  return text ? JSON.parse(text) : null;
}

export const models = () => call("GET", "api/models");
export const limits = () => call("GET", "api/limits");
export function submit(request, key) {
  for (const lane of lanes) lane.drop();
  return call("POST", "api/jobs", { request }, { "Idempotency-Key": key });
}
export const job = (id) => call("GET", `api/jobs/${id}`);
export const jobs = (limit, before) =>
  call("GET", `api/jobs?limit=${limit}${before ? `&before=${encodeURIComponent(before)}` : ""}`);
export const act = (id, verb) => call("POST", `api/jobs/${id}/${verb}`);
export const remove = (id) => call("DELETE", `api/jobs/${id}`);
export const upload = (id) => call("GET", `api/uploads/${id}`);

export const previewPath = (id, step) => `api/jobs/${id}/preview?step=${step}`;
export const thumbPath = (id, turn) => `api/jobs/${id}/thumb?turn=${turn}`;
export const exportPath = (id, format, query) =>
  `api/jobs/${id}/export/${format}?${new URLSearchParams(query)}`;

const lanes = new Set();

/**
 * Questions for the cost of a request, one at a time: a new one drops the one before. Browsers
 * have few connections to a server, and plans may take a while; they must not hold up a job.
 */
export class PlanLane {
  #controller = null;

  constructor() {
    lanes.add(this);
  }

  ask(request) {
    this.drop();
    this.#controller = new AbortController();
    return call("POST", "api/plan", { request }, {}, this.#controller.signal);
  }

  drop() {
    this.#controller?.abort();
  }
}

/** Where a frame of "job:ID" or "upload:ID" is, without loss. */
export function framePath(ref, frame) {
  const [kind, id] = ref.split(":");
  return `api/${kind}s/${id}/frames/${frame}.png`;
}

/** Send files as one upload, and say how far it is. */
export function send(files, onProgress = () => {}) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name || "picture.png");
  return new Promise((resolve, reject) => {
    const ask = new XMLHttpRequest();
    ask.open("POST", "api/uploads");
    ask.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    ask.addEventListener("load", () => {
      if (ask.status < 300) resolve(JSON.parse(ask.responseText));
      else reject(new ApiError(ask.status, sentence(ask.status, ask.responseText)));
    });
    ask.addEventListener("error", () => reject(new ApiError(0, SILENT)));
    ask.send(form);
  });
}

/** Make sure that a file can be had before the browser is sent to fetch it. */
export async function ready(path) {
  let response;
  try {
    response = await fetch(path, { headers: { Range: "bytes=0-0" } });
  } catch {
    throw new ApiError(0, SILENT);
  }
  if (!response.ok) throw new ApiError(response.status, sentence(response.status, await response.text()));
  await response.body?.cancel();
}

/**
 * What happens to jobs, as it happens. Hidden tabs let go of their connection, since browsers
 * allow few of them per server; whoever comes back, or was cut off, is told to catch up.
 */
export function listen({ onState, onProgress, onPreview, onDeleted, onConnect, onSilence }) {
  let source = null;
  let wait = 500;
  let timer = 0;
  const handlers = { state: onState, progress: onProgress, preview: onPreview, deleted: onDeleted };

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource("api/events");
    source.addEventListener("open", () => {
      wait = 500;
      onConnect();
    });
    source.addEventListener("error", () => {
      source.close();
      onSilence();
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, 8000);
    });
    for (const [name, handler] of Object.entries(handlers))
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) open();
    else {
      clearTimeout(timer);
      source?.close();
    }
  });
  addEventListener("pagehide", () => source?.close());
  open();
}
