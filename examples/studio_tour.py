"""The pictures of the studio's tour, taken from the real page while it makes real sequences.

python examples/studio_tour.py docs/studio

It starts ``filmgrid serve`` on a workspace of its own, goes through the tour of
``docs/studio.md`` in Chromium, and leaves its pictures as WebP.
"""

import base64
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from filmgrid.bars.scenes import motion_scene
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.source import render
from filmgrid.grid.spec import CellSize
from filmgrid.types import ImageArray

DESKTOP, PHONE = (1280, 800), (390, 844)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
PATIENCE, LONG = 60_000, 1_200_000
"""Milliseconds that the page and a sequence may take."""
DROP = """(cell, data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "frame.png", { type: "image/png" }));
  cell.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
}"""


@contextmanager
def served() -> Iterator[str]:
    """The address of a server that ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", "--port", "0", "--workspace", f"{folder}/workspace"]
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "filmgrid", *words], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield next(
                found[0] for line in process.stdout if (found := re.search(r"http://\S+", line))
            )
        finally:
            process.terminate()
            process.wait()


def visit(browser: Browser, address: str, size: tuple[int, int], scheme: str) -> Page:
    """The page, in a window of its own."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        has_touch=size == PHONE,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    return page


def cell(page: Page, number: int) -> Locator:
    """A cell of the strip."""
    return page.get_by_role("gridcell").nth(number)


def take(page: Page, target: Path) -> None:
    """Keep what is seen."""
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.save(target, quality=82, method=6)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB", flush=True)


def finish(page: Page) -> None:
    """Wait until the frames are there."""
    page.locator("#progress").wait_for()
    page.locator("#progress").wait_for(state="hidden", timeout=LONG)


def dropped(page: Page, number: int, frame: ImageArray) -> None:
    """Drop a frame on a cell, and wait until it is there."""
    held = io.BytesIO()
    Image.fromarray(frame).save(held, "png")
    cell(page, number).evaluate(DROP, base64.b64encode(held.getvalue()).decode())
    page.get_by_role("gridcell", name=f"Cell {number}, locked").wait_for()


def tour(browser: Browser, address: str, folder: Path) -> None:
    """Everything that the tour shows, in its order."""
    page = visit(browser, address, DESKTOP, "dark")
    page.locator("#make").click()
    page.get_by_text(re.compile(r"Step [5-9] of")).wait_for(timeout=LONG)
    take(page, folder / "making.webp")
    finish(page)

    cell(page, 0).click()
    cell(page, 3).click(modifiers=["Shift"])
    page.get_by_role("button", name="Lock", exact=True).click()
    cell(page, 9).click()
    cell(page, 10).click(modifiers=["Control"])
    take(page, folder / "cells.webp")
    page.get_by_role("button", name="Redraw 2").click()
    finish(page)

    light = visit(browser, address, DESKTOP, "light")
    scene = motion_scene(1, 1, verbs=["circling"], single=True)
    frames = render([scene], 16, CellSize(64, 64))[0].numpy()
    light.locator("#prompt").fill(full_caption(scene))
    for number in (0, 5, 10, 15):
        dropped(light, number, frames[number])
    light.locator("#layout").click()
    light.locator(".option", has_text="8 × 8").get_by_text("~").wait_for()
    take(light, folder / "dropped.webp")
    light.keyboard.press("Escape")
    light.locator("#make").click()
    finish(light)
    light.locator("#onion").click()
    light.locator("#scrub").fill("8")
    light.locator("#export").click()
    light.mouse.move(600, 790)
    take(light, folder / "export.webp")

    phone = visit(browser, address, PHONE, "dark")
    phone.locator("#jobs .open").first.click()
    phone.get_by_role("gridcell", name="Cell 15, locked").wait_for()
    take(phone, folder / "phone.webp")


def main() -> None:
    """Take all pictures into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        tour(browser, address, folder)
        browser.close()


if __name__ == "__main__":
    main()
