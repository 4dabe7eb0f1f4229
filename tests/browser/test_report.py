"""A report in a real browser: nothing sticks out, all loads, nothing is asked from outside."""

from pathlib import Path

import numpy as np
import pytest

from filmgrid.evaluation.compare import compare_runs
from filmgrid.evaluation.report import write_comparison, write_report
from filmgrid.evaluation.results import ClipSetFacts, Evaluation, Interval, MetricResult
from filmgrid.evaluation.spec import Statement

NAMES = [f"clip-{index}" for index in range(5)] + ["a-name-without-any-place-to-break-" * 4]


def evaluation(root: Path, made: str, shift: float) -> Evaluation:
    rng = np.random.default_rng(0)
    scores = {name: float(score) for name, score in zip(NAMES, rng.normal(30, 3, 6), strict=True)}
    moved = {name: score + shift * index for index, (name, score) in enumerate(scores.items())}
    near = Interval(value=30, low=28, high=32, n=6, level=0.95)
    statement = Statement(name="offline-motion", layer="a histogram of " * 20, dim=8)
    return Evaluation(
        real=facts(root / "real"),
        generated=facts(root / made),
        settings={},
        command="filmgrid evaluate --real " + "a/long/path" * 30,
        metrics=[
            MetricResult(
                name="psnr",
                kind="pair",
                better="higher",
                about="signal",
                unit="dB",
                made=near,
                clips=moved,
            ),
            MetricResult(
                name="grain-with-a-long-name",
                kind="clip",
                better="real",
                about="noise " * 30,
                made=near,
                real=near,
                paired=Interval(value=-0.000486, low=-0.001007, high=-0.000125, n=6, level=0.95),
                clips=moved,
                real_clips=scores,
            ),
            MetricResult(
                name="fd-offline-motion",
                kind="distance",
                better="lower",
                about="",
                made=near,
                real=near,
            ),
        ],
        instruments={statement.fingerprint: statement},
        preprocessing="c" * 64,
        pairs={name: name for name in NAMES[1:]},
        versions={"python": "3.11"},
        seconds=1.0,
    )


def facts(path: Path) -> ClipSetFacts:
    return ClipSetFacts(path=str(path), num_clips=6, frames="8", size="48x96", sha256="a" * 64)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("browser")
    rng = np.random.default_rng(0)
    for side in ("real", "made", "other"):
        (root / side).mkdir()
        for index, name in enumerate(NAMES):
            shape = (8, 48, 96 if index % 2 else 48, 3)
            np.save(root / side / f"{name}.npy", rng.integers(0, 256, shape, dtype=np.uint8))
    runs = evaluation(root, "made", 0.0), evaluation(root, "other", 1.0)
    return {
        "evaluation": write_report(runs[0], root / "a.html"),
        "comparison": write_comparison(*runs, compare_runs(*runs), root / "b.html"),
    }


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_loads_and_stays_at_home(browser, pages, name, width, height, scheme):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(pages[name].as_uri())
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = page.evaluate("[...document.images].map((image) => image.naturalWidth)")
    assert len(sizes) == (12 if name == "evaluation" else 10)
    assert min(sizes) > 0
    page.get_by_text("Copy", exact=True).first.click()
    page.get_by_text("Copied").first.wait_for()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", pages[name].as_uri()))] == []
    context.close()


def test_whoever_wants_no_motion_sees_frames_until_they_press_play(browser, pages):
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(pages["evaluation"].as_uri())
    first = page.locator(".clip").first
    assert first.locator(".still").is_visible()
    assert not first.locator(".moving").is_visible()
    first.get_by_text("Play").click()
    assert first.locator(".moving").is_visible()
    assert not first.locator(".still").is_visible()
    context.close()


def test_all_frames_are_a_key_away(browser, pages):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(pages["evaluation"].as_uri())
    first = page.locator(".clip").first
    assert first.locator(".moving").is_visible()
    first.locator(".toggle").focus()
    page.keyboard.press("Space")
    assert first.locator(".still").is_visible()
    assert not first.locator(".moving").is_visible()
    page.close()


def test_what_a_verdict_comes_from_is_seen_without_scrolling_sideways(browser, pages):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(pages["evaluation"].as_uri())
    ends = page.locator("#numbers .minus-real .ends")
    assert ends.count() == 1
    assert ends.inner_text() == "[-0.001007, -0.000125]"
    box = ends.bounding_box()
    assert 0 <= box["x"] < box["x"] + box["width"] <= 390
    page.close()


def test_a_wide_table_scrolls_inside_of_its_box(browser, pages):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(pages["evaluation"].as_uri())
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth)"
    )
    page.close()
