"""The studio end to end: the real page in a real browser, the real service, the real mini model."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import filmgrid

pytest.importorskip("fastapi", reason="the extra serve is not installed")

STUDIO = Path(filmgrid.__file__).parent / "serving" / "studio"
PATIENCE, LONG = 60_000, 300_000
"""Milliseconds that the page and a job may take on a busy machine."""
PASTE = """(cell, [name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], name, { type }));
  cell.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData }));
}"""
DROP = """(cell, [name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"])
    cell.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
}"""


class Server:
    """``filmgrid serve`` as a process that can be killed and started again."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        words = ["serve", "--port", str(self.port), "--workspace", str(self.workspace)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "filmgrid", *words],
            env={**os.environ, "PYTHONPATH": str(STUDIO.parents[2])},
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + LONG / 1000
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("healthz")["status"] == "ok":
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.kill()
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def bytes(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        return json.loads(self.bytes(path))

    def jobs(self) -> list[dict[str, Any]]:
        return self.get("api/jobs?limit=200")["jobs"]

    def frames(self, job: str) -> list[np.ndarray]:
        count = self.get(f"api/jobs/{job}")["num_frames"]
        return [picture(self.bytes(f"api/jobs/{job}/frames/{each}.png")) for each in range(count)]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("studio") / "workspace")
    yield running
    running.stop()


@contextmanager
def studio(browser, server, *, width=1280, height=900, **options) -> Iterator[Any]:
    """The page in a context of its own; whatever it says to the console is a failure."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = visit(context, server)
    yield page
    assert page.said == []
    assert [url for url in page.asked if not url.startswith((server.url, "blob:", "data:"))] == []
    context.close()


def visit(context, server) -> Any:
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(server.url)
    page.wait_for_selector("html[data-ready]")
    return page


def choose(page, *, layout="2x2", steps=2) -> None:
    """A grid and steps that are soon made."""
    page.locator("#layout").click()
    page.locator(f'[data-layout="{layout}"]').click()
    if not page.locator("#steps").is_visible():
        page.locator("#more summary").click()
    page.locator("#steps").fill(str(steps))


def make(page, server) -> dict[str, Any]:
    """Press the button and wait until the frames are there."""
    return made_by(page, server, page.locator("#make").click)


def made_by(page, server, act: Callable[[], None]) -> dict[str, Any]:
    """Do something that submits a job, and wait until its frames are on the strip."""
    known = {job["id"] for job in server.jobs()}
    act()
    deadline = time.monotonic() + LONG / 1000
    while time.monotonic() < deadline:
        job = next((job for job in server.jobs() if job["id"] not in known), None)
        if job is not None and job["state"] in ("done", "failed"):
            assert job["state"] == "done", job["error"]
            page.locator(f'.cell img[data-path*="{job["id"]}"]').first.wait_for()
            return job
        page.wait_for_timeout(100)
    raise AssertionError("the job did not come to an end")


def cell(page, number: int) -> Any:
    return page.get_by_role("gridcell").nth(number)


def drop(page, number: int, name: str, kind: str, data: bytes) -> None:
    cell(page, number).evaluate(DROP, [name, kind, base64.b64encode(data).decode()])


def png(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(array).save(held, "png")
    return held.getvalue()


def picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def export(page, kind: str) -> bytes:
    page.locator("#export").click()
    with page.expect_download() as download:
        page.locator(f'[data-format="{kind}"]').click()
    return Path(download.value.path()).read_bytes()


def test_the_page_is_small():
    assert sum(path.stat().st_size for path in STUDIO.iterdir()) <= 300_000


@pytest.mark.long  # on a machine that does nothing else
def test_the_page_is_soon_there(browser, server):
    times = []
    for _ in range(3):
        with studio(browser, server) as page:
            mark = "performance.getEntriesByName('ready')[0].startTime"
            times.append(page.evaluate(mark))
    assert min(times) <= 1500


def test_nothing_is_inline_and_nothing_may_be(server):
    with urllib.request.urlopen(server.url) as answer:
        policy, text = answer.headers["content-security-policy"], answer.read().decode()
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
    assert " style=" not in text
    assert "<style" not in text
    assert " onclick" not in text
    assert text.count("<script") == text.count("<script src=") + text.count(
        '<script type="module" src='
    )


def test_an_empty_page_is_three_clicks_from_a_sequence(browser, server):
    with studio(browser, server) as page:
        page.locator("#layout").click()
        page.locator('[data-layout="1x1"]').click()
        assert make(page, server)["layout"] == "1x1"
        widths = page.locator(".cell img").evaluate_all(
            "(images) => Promise.all(images.map((image) => image.decode()))"
            ".then(() => images.map((image) => image.naturalWidth))"
        )
        assert widths == [64]


def test_one_press_is_enough_and_two_at_once_make_one_job(browser, server):
    with studio(browser, server) as page:
        before = len(server.jobs())
        page.locator("#make").dblclick()
        page.locator(".cell.making").first.wait_for(timeout=LONG)
        page.wait_for_timeout(300)
        job, *others = server.jobs()
        assert len(others) == before
        assert job["layout"] == "4x4"
        assert job["request"]["prompt"] == page.locator("#prompt").input_value()
        page.locator("#cancel").click()
        page.locator("#progress").wait_for(state="hidden", timeout=LONG)


@pytest.mark.long  # on a machine that does nothing else
def test_the_first_preview_comes_within_a_second_and_a_half(browser, server):
    times = []
    with studio(browser, server) as page:
        for _ in range(3):
            begun = time.monotonic()
            page.locator("#make").click()
            page.locator(".cell.making").first.wait_for(timeout=LONG)
            times.append(time.monotonic() - begun)
            page.locator("#cancel").click()
            page.locator("#progress").wait_for(state="hidden")
    assert min(times) <= 1.5


def test_a_picture_on_a_cell_is_in_the_download_bit_for_bit(browser, server):
    given = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with studio(browser, server) as page:
        choose(page)
        drop(page, 2, "mine.png", "image/png", png(given))
        page.get_by_role("gridcell", name="Cell 2, locked").wait_for()
        assert page.locator("#make").inner_text() == "Make the other 3 frames"
        job = make(page, server)
        assert job["request"]["keyframe"][0].startswith("2=upload:")
        grid = picture(export(page, "png"))
        assert np.array_equal(grid[64:, :64], given)
        with zipfile.ZipFile(io.BytesIO(export(page, "frames"))) as frames:
            names = sorted(name for name in frames.namelist() if name.endswith(".png"))
            assert len(names) == 4
            assert np.array_equal(picture(frames.read(names[2])), given)
        page.get_by_role("gridcell", name="Cell 2, locked").wait_for()


def test_a_picture_is_pasted_on_the_selected_cell_and_taken_off(browser, server):
    given = np.zeros((64, 64, 3), dtype=np.uint8)
    with studio(browser, server) as page:
        cell(page, 5).click()
        data = base64.b64encode(png(given)).decode()
        cell(page, 5).evaluate(PASTE, ["pasted.png", "image/png", data])
        page.get_by_role("gridcell", name="Cell 5, locked").wait_for()
        page.keyboard.press("Delete")
        page.get_by_role("gridcell", name="Cell 5, empty").wait_for()
        page.locator("#undo").click()
        page.get_by_role("gridcell", name="Cell 5, locked").wait_for()


@pytest.mark.long  # waits for jobs as a person would
def test_a_longer_sequence_comes_grid_after_grid_with_a_prompt_for_each_row(browser, server):
    with studio(browser, server) as page:
        choose(page)
        page.locator("#frames").fill("7")
        page.locator("#per-row").check()
        page.get_by_label("Prompt from row 3 on").fill("a blue star growing")
        assert page.get_by_role("gridcell").count() == 7
        job = make(page, server)
        assert job["request"]["segment"] == ["4=a blue star growing"]
        assert job["num_frames"] == 7
        assert page.locator(f'.cell img[data-path*="{job["id"]}"]').count() == 7


def test_redrawing_two_cells_leaves_the_others_bit_for_bit(browser, server):
    with studio(browser, server) as page:
        choose(page)
        first = server.frames(make(page, server)["id"])
        cell(page, 1).click()
        cell(page, 3).click(modifiers=["Control"])
        assert page.locator("#selection").inner_text() == "2 of 4 selected"
        job = made_by(page, server, page.get_by_role("button", name="Redraw 2").click)
        assert job["request"]["redraw"] == "1,3"
        second = server.frames(job["id"])
        same = [np.array_equal(*pair) for pair in zip(first, second, strict=True)]
        assert same == [True, False, True, False]

        page.locator("#undo").click()
        shown = "(images) => images.map((image) => image.dataset.path)"
        paths = page.locator(".cell img").evaluate_all(shown)
        assert not any(job["id"] in path for path in paths)
        page.locator("#redo").click()
        paths = page.locator(".cell img").evaluate_all(shown)
        assert all(job["id"] in path for path in paths)


@pytest.mark.long  # waits for jobs as a person would
def test_a_reload_in_the_middle_finds_the_job_still_moving(browser, server):
    with studio(browser, server) as page:
        choose(page, layout="4x4", steps=60)
        page.locator("#prompt").fill("a green ring moving left on a black background")
        page.locator("#make").click()
        page.locator(".cell.making").first.wait_for(timeout=LONG)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        page.locator("#progress").wait_for()
        assert page.locator("#prompt").input_value().startswith("a green ring")
        page.locator(".cell.making").first.wait_for(timeout=LONG)
        text = page.locator("#progress-text")
        seen = text.inner_text()
        page.locator("#progress-text", has_not_text=seen).wait_for(timeout=LONG)
        page.locator("#progress").wait_for(state="hidden", timeout=LONG)
        job = server.jobs()[0]
        assert job["state"] == "done"
        assert job["attempt"] == 1
        assert page.locator(".cell.empty").count() == 0


@pytest.mark.long  # waits for jobs as a person would
def test_a_server_that_is_killed_and_started_again_finishes_the_job(browser, tmp_path):
    server = Server(tmp_path / "workspace")
    try:
        context = browser.new_context()
        page = visit(context, server)
        choose(page, layout="4x4", steps=40)
        page.locator("#make").click()
        page.locator(".cell.making").first.wait_for(timeout=LONG)
        server.kill()
        page.locator("#offline").wait_for()
        server.start()
        page.locator("#offline").wait_for(state="hidden", timeout=30_000)
        page.locator("#progress").wait_for(state="hidden", timeout=LONG)
        (job,) = server.jobs()
        assert job["state"] == "done"
        page.locator(f'.cell img[data-path*="{job["id"]}"]').first.wait_for()
        context.close()
    finally:
        server.stop()


@pytest.mark.long  # waits for jobs as a person would
def test_cancel_stops_within_a_step(browser, server):
    with studio(browser, server) as page:
        choose(page, layout="4x4", steps=40)
        page.locator("#make").click()
        page.locator(".cell.making").first.wait_for(timeout=LONG)
        at = server.jobs()[0]["step"]
        page.locator("#cancel").click()
        page.locator("#progress").wait_for(state="hidden", timeout=LONG)
        job = server.jobs()[0]
        assert job["state"] == "cancelled"
        assert job["step"] <= at + 2
        assert page.locator(".cell.making").count() == 0
        page.locator(f'[data-job="{job["id"]}"] .when', has_text="cancelled").wait_for()


@pytest.mark.long  # waits for jobs as a person would
def test_two_tabs_do_not_disturb_each_other(browser, server):
    context = browser.new_context()
    one, other = visit(context, server), visit(context, server)
    choose(one)
    one.locator("#prompt").fill("a blue heart growing on a grey background")
    other.locator("#prompt").fill("an orange star spinning on a black background")
    one.locator("#make").click()
    one.locator("#progress").wait_for()
    job = server.jobs()[0]
    other.locator(f'[data-job="{job["id"]}"]').wait_for()
    assert other.locator("#progress").is_hidden()
    one.locator("#progress").wait_for(state="hidden", timeout=LONG)
    other.locator(f'[data-job="{job["id"]}"].done').wait_for()
    assert other.locator(".cell.empty").count() == 16
    other.reload()
    other.wait_for_selector("html[data-ready]")
    assert other.locator("#prompt").input_value().startswith("an orange star")
    assert one.locator("#prompt").input_value().startswith("a blue heart")
    assert one.said == other.said == []

    other.locator(f'[data-job="{job["id"]}"] .open').click()
    other.locator(".cell img[data-path]").first.wait_for()
    assert other.locator("#prompt").input_value() == "a blue heart growing on a grey background"
    assert other.locator("#steps").input_value() == "2"
    assert other.locator(".cell").count() == 4
    context.close()


def test_what_is_no_clip_is_refused_with_a_sentence(browser, server, tmp_path):
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as file:
        file.truncate(5 * 10**9)
    context = browser.new_context()
    page = visit(context, server)
    drop(page, 0, "notes.mp4", "video/mp4", b"these are my notes, not a video")
    problem = page.locator("#strip-problem")
    problem.wait_for()
    text = problem.inner_text()
    assert "notes.mp4" in text
    assert text.endswith(".")
    page.locator("#picker").set_input_files(huge)
    page.locator("#strip-problem", has_text="huge.mp4").wait_for()
    assert "at most" in problem.inner_text()
    assert page.locator(".cell.empty").count() == 16
    context.close()


@pytest.mark.long  # waits for jobs as a person would
def test_a_clip_becomes_the_frames_that_are_changed(browser, server):
    frames = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    held = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(held, "webp", save_all=True, append_images=rest, lossless=True, duration=125)
    with studio(browser, server) as page:
        choose(page)
        drop(page, 1, "clip.webp", "image/webp", held.getvalue())
        page.get_by_role("button", name="Change 4 frames").wait_for()
        assert page.locator("#sigma-value").inner_text() == "0.85"
        page.locator("#clip-start").fill("2")
        page.locator("#clip-start").blur()
        cell(page, 0).click()
        page.get_by_role("button", name="Lock", exact=True).click()
        job = made_by(page, server, page.get_by_role("button", name="Change 3 frames").click)
        assert job["request"]["video_start"] == 2
        assert job["request"]["lock"] == "0"
        assert np.array_equal(server.frames(job["id"])[0], frames[2])
        assert page.locator("#compare").is_enabled()


@pytest.mark.long  # waits for jobs as a person would
def test_a_sequence_goes_on_by_a_row_and_is_enlarged(browser, server):
    with studio(browser, server) as page:
        choose(page)
        first = server.frames(make(page, server)["id"])
        job = made_by(page, server, page.get_by_role("button", name="Add a row").click)
        longer = server.frames(job["id"])
        assert len(longer) == 6
        assert all(np.array_equal(*pair) for pair in zip(first, longer, strict=False))
        assert page.get_by_role("gridcell").count() == 6
        assert page.get_by_role("row").count() == 3

        page.get_by_role("button", name="Upscale").click()
        job = made_by(page, server, page.get_by_role("button", name="Twice as large").click)
        large = server.frames(job["id"])
        assert [frame.shape for frame in large] == [(128, 128, 3)] * 6


def test_the_keyboard_is_enough(browser, server):
    with studio(browser, server, reduced_motion="reduce") as page:
        choose(page)
        press = page.keyboard.press
        page.locator("#prompt").focus()
        job = made_by(page, server, lambda: press("Control+Enter"))
        first = server.frames(job["id"])
        for _ in range(30):
            press("Tab")
            if page.evaluate("document.activeElement.getAttribute('role')") == "gridcell":
                break
        press("ArrowRight")
        press("l")
        page.get_by_role("gridcell", name="Cell 1, locked").wait_for()
        press("ArrowDown")
        press("Space")
        press("Shift+ArrowLeft")
        assert page.locator("#selection").inner_text() == "2 of 4 selected"
        job = made_by(page, server, lambda: press("r"))
        assert job["request"]["redraw"] == "2-3"
        assert np.array_equal(server.frames(job["id"])[0], first[0])
        press("k")
        page.get_by_role("button", name="Pause").wait_for()
        press("k")
        for _ in range(30):
            press("Tab")
            if page.evaluate("document.activeElement.id") == "export":
                break
        press("Enter")
        for _ in range(10):
            if page.evaluate("document.activeElement.dataset.format") == "png":
                break
            press("ArrowDown")
        with page.expect_download():
            press("Enter")
        page.locator("#exports").wait_for(state="hidden")
        press("Control+z")
        assert not page.locator("#redo").is_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser, server, scheme):
    options = {"width": 390, "height": 844, "color_scheme": scheme, "has_touch": True}
    with studio(browser, server, **options) as page:
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(fits)
        box = page.locator("#make").bounding_box()
        assert box["y"] + box["height"] <= 844
        for layout in ("8x8", "4x4"):
            page.locator("#layout").click()
            page.locator(f'[data-layout="{layout}"]').click()
            assert page.evaluate(fits)
            ends = page.get_by_role("gridcell").nth(7).bounding_box()
            assert ends["x"] + ends["width"] <= 390
        for button in ("#export", "#play", "#seed", "#ideas"):
            assert page.locator(button).count() == 1
        page.get_by_role("button", name="Ideas").click()
        page.locator("#ideas.placed").wait_for()
        menu = page.locator("#ideas").bounding_box()
        assert 0 <= menu["x"] <= menu["x"] + menu["width"] <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(browser, server, scheme, width):
    sync_axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with studio(browser, server, width=width, color_scheme=scheme) as page:
        choose(page)
        make(page, server)
        cell(page, 1).click()
        page.locator("#per-row").check()
        for state in ("page", "#layout", "#export", "#help-button"):
            if state != "page":
                page.locator(state).click()
                page.locator(".placed, dialog[open]").wait_for()
            found = sync_axe.Axe().run(page).response["violations"]
            told = [(each["id"], each["impact"], each["nodes"][0]["html"]) for each in found]
            assert [each for each in told if each[1] in ("serious", "critical")] == [], state
            page.keyboard.press("Escape")


BUILD = """async ([patch, action]) => {
  const { EMPTY } = await import("/studio/draft.js");
  const { build } = await import("/studio/request.js");
  const model = { task_defaults: { edit: 0.85, redraw: 1 } };
  const draft = { ...EMPTY, model: "mini", prompt: "a star", rows: 2, cols: 2, ...patch };
  try {
    return build(draft, action, model);
  } catch (error) {
    return error.message;
  }
}"""
CLIP = {"ref": "upload:a", "numFrames": 9, "start": 1, "stride": 2}
MADE = {"ref": "job:b", "numFrames": 4, "start": 0, "stride": 1}
STILL = {"ref": "upload:c", "frame": 0, "single": True}
MAKE = {"kind": "make"}


@pytest.fixture(scope="module")
def drafting(browser, server) -> Iterator[Any]:
    with studio(browser, server) as page:
        yield page


@pytest.mark.parametrize(
    ("patch", "action", "wanted"),
    [
        ({}, MAKE, {}),
        ({"frames": 10, "loop": True}, MAKE, {"frames": 10, "loop": True}),
        (
            {"frames": 6, "perRow": True, "rowPrompts": {"2": "a ring"}},
            MAKE,
            {"frames": 6, "segment": ["4=a ring"]},
        ),
        ({"perRow": True, "rowPrompts": {"1": "a ring"}}, MAKE, {"prompt": "a star, then a ring"}),
        ({"stills": {"0": STILL}, "locked": [0]}, MAKE, {"image": "upload:c", "fit": "crop"}),
        (
            {"source": MADE, "stills": {"1": STILL}, "locked": [0, 1]},
            MAKE,
            {"keyframe": ["0=job:b/0", "1=upload:c"], "fit": "crop"},
        ),
        ({"source": MADE, "locked": [0, 3]}, MAKE, {"video": "job:b", "redraw": "1-2"}),
        ({"source": MADE, "sigma": 0.7}, MAKE, {"video": "job:b", "task": "edit", "sigma": 0.7}),
        (
            {"source": CLIP, "locked": [2]},
            MAKE,
            {
                "video": "upload:a",
                "video_start": 1,
                "video_stride": 2,
                "task": "edit",
                "sigma": 0.85,
                "lock": "2",
                "fit": "crop",
            },
        ),
        (
            {"source": {**CLIP, "start": 0, "stride": 1, "numFrames": 2}, "locked": [0, 1]},
            MAKE,
            {"video": "upload:a", "task": "extend", "fit": "crop"},
        ),
        (
            {"source": MADE, "locked": [1]},
            {"kind": "redraw", "cells": [0, 1]},
            {"video": "job:b", "redraw": "0"},
        ),
        (
            {"source": MADE, "stills": {"1": STILL}},
            {"kind": "redraw", "cells": [0, 2]},
            {"keyframe": ["1=upload:c", "3=job:b/3"], "fit": "crop"},
        ),
        (
            {"source": MADE},
            {"kind": "extend"},
            {"video": "job:b", "task": "extend", "frames": 6},
        ),
        (
            {"source": {**MADE, "editRef": "job:z"}},
            {"kind": "upscale", "factor": 4},
            {"video": "job:z", "task": "edit", "sigma": 0, "lock": "0-3", "upscale": 4},
        ),
    ],
)
def test_a_draft_becomes_the_request_that_says_it(drafting, patch, action, wanted):
    made = drafting.evaluate(BUILD, [patch, action])
    usual = {"model": "mini", "prompt": "a star", "layout": "2x2", "seed": 1}
    assert made == {**usual, **wanted}
    from filmgrid.request import GenerateRequest

    GenerateRequest(**made)


@pytest.mark.parametrize(
    ("patch", "action", "sentence"),
    [
        ({"source": MADE, "locked": [0, 1, 2, 3]}, MAKE, "All cells are locked. Unlock those"),
        ({}, {"kind": "redraw", "cells": [1]}, "There is nothing to redraw yet."),
        ({"source": MADE}, {"kind": "redraw", "cells": []}, "No cell is selected."),
        (
            {"source": MADE, "locked": [1]},
            {"kind": "redraw", "cells": [1]},
            "The selected cells are locked.",
        ),
        ({}, {"kind": "extend"}, "There is nothing to extend yet."),
    ],
)
def test_a_draft_that_cannot_be_asked_for_says_why(drafting, patch, action, sentence):
    assert drafting.evaluate(BUILD, [patch, action]).startswith(sentence)
