import io
import math
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

from filmgrid.errors import ConfigError, MediaError
from filmgrid.evaluation.compare import compare_runs
from filmgrid.evaluation.report import check_report, write_comparison, write_report
from filmgrid.evaluation.report_cases import usual_cases, worst_cases
from filmgrid.evaluation.report_plots import Row, interval_plot, standalone, strip_plot
from filmgrid.evaluation.report_sheets import Panel, draw_sheet
from filmgrid.evaluation.report_words import headline, reading, verdicts, warnings
from filmgrid.evaluation.results import (
    ClipSetFacts,
    Evaluation,
    Interval,
    MetricResult,
    read_evaluation,
)
from filmgrid.evaluation.spec import Statement, Weights

NASTY = "<script>alert(1)|*a*"
NAMES = ["one", "two", "three", "four", "five", NASTY]


def interval(value, half=0.5, n=6):
    return Interval(value=value, low=value - half, high=value + half, n=n, level=0.95)


def pair(scores, name="psnr", better="higher", unit="dB"):
    value = float(np.mean(list(scores.values())))
    made = interval(value) if math.isfinite(value) else Interval(value=value, n=len(scores))
    return MetricResult(
        name=name,
        kind="pair",
        better=better,
        about="peak signal",
        unit=unit,
        made=made,
        clips=scores,
    )


def by_itself(scores, real_scores, better="real", name="grain", **changes):
    return MetricResult(
        name=name,
        kind="clip",
        better=better,
        about="share of noise",
        made=interval(float(np.mean(list(scores.values()))), 0.01),
        real=interval(float(np.mean(list(real_scores.values()))), 0.01),
        clips=scores,
        real_clips=real_scores,
    ).model_copy(update=changes)


def distance(name="fd-offline-motion", made=4.125, real=1.0625):
    return MetricResult(
        name=name,
        kind="distance",
        better="lower",
        about="Fréchet distance",
        made=interval(made),
        real=interval(real),
        full=interval(made + 0.25, n=12),
    )


def evaluation(metrics, real="real", made="made", names=NAMES, **changes):
    sides = [
        ClipSetFacts(
            path=str(path), num_clips=len(names), frames="16", size="64x64", sha256=letter * 64
        )
        for path, letter in ((real, "a"), (made, "b"))
    ]
    facts = {
        "settings": {"frames": None, "fit": "resize"},
        "command": "filmgrid evaluate --real real --generated 'my clips'",
        "preprocessing": "c" * 64,
        "pairs": {name: name for name in names},
        "versions": {"python": "3.11", "filmgrid": "0.1.0"},
        "seconds": 12.5,
    }
    return Evaluation(real=sides[0], generated=sides[1], metrics=metrics, **facts | changes)


SCORES = dict(zip(NAMES, [30.0, 31.0, 32.0, 33.0, 34.0, 10.0], strict=True))
GRAIN = dict(zip(NAMES, [0.11, 0.9, 0.12, 0.1, 0.09, 0.1], strict=True))
REAL_GRAIN = dict.fromkeys(NAMES, 0.1)
PAIRED = interval(0.1375, 0.0625)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, clips):
    root = tmp_path_factory.mktemp("clips")
    for side in ("real", "made", "other"):
        (root / side).mkdir()
    for index, (name, frames) in enumerate(zip(NAMES, clips, strict=False)):
        np.save(root / "real" / f"{name}.npy", frames)
        np.save(root / "made" / f"{name}.npy", frames[::-1])
        np.save(root / "other" / f"{name}.npy", np.roll(frames, index, axis=1))
    return root


@pytest.fixture(scope="module")
def found(folders):
    statement = Statement(
        name="offline-motion", layer="histogram", dim=8, weights=Weights(source="seed", name="0")
    )
    return evaluation(
        [pair(SCORES), by_itself(GRAIN, REAL_GRAIN, paired=PAIRED), distance()],
        folders / "real",
        folders / "made",
        instruments={statement.fingerprint: statement},
        notes=["Two clips were left out."],
    )


class Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.headings, self.alts, self.tags = [], [], [], []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        told = dict(attrs)
        self.addresses += [told[key] for key in ("src", "href", "srcset") if key in told]
        if tag == "img":
            self.alts.append(told.get("alt", ""))

    def handle_data(self, data):
        if self.tags[-1:] == ["h3"] and data.strip():
            self.headings.append(data.strip())
        self.text += data


@pytest.fixture(scope="module")
def html(found, tmp_path_factory):
    path = write_report(found, tmp_path_factory.mktemp("html") / "report.html")
    return path.read_text(encoding="utf-8")


def test_nothing_is_asked_from_outside(html):
    page = Page(html)
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"url\(|@import|@font-face", html)


def test_every_metric_and_interval_appears(html, found):
    page = Page(html)
    for metric in found.metrics:
        assert metric.name in page.text
        for one in (metric.made, metric.real, metric.paired, metric.full):
            if one is not None:
                assert f"[{one.low:.4g}, {one.high:.4g}]" in page.text
    assert html.count('<svg xmlns="http://www.w3.org/2000/svg" class="plot"') == 6


def test_all_that_is_needed_to_repeat_it_appears(html, found):
    text = Page(html).text
    fingerprint, statement = next(iter(found.instruments.items()))
    for part in (found.command, "a" * 64, "b" * 64, "c" * 64, fingerprint, "3.11", "12.5 seconds"):
        assert part in text
    assert statement.layer in text
    assert "Two clips were left out." in text


def test_the_worst_clips_come_first_and_each_clip_once(html):
    page = Page(html)
    assert page.headings[:2] == [NASTY, "two"]
    assert sorted(page.headings[:6]) == sorted(NAMES)
    assert html.index(">Worst clips") < html.index(">Usual clips") < html.index("<h2>Numbers")
    assert "psnr 10 dB: worst of 6" in page.text
    assert "grain 0.9 (real clips 0.1): worst of 6" in page.text


def test_names_of_clips_are_text(html):
    assert "<script>alert" not in html
    assert Page(html).tags.count("script") == 1


def test_every_picture_says_what_it_is(html):
    alts = Page(html).alts
    assert len(alts) == 12
    assert all("real left, generated right" in alt for alt in alts)


def test_metrics_that_agree_share_a_clip_and_others_show_theirs():
    gray = pair({name: score / 50 for name, score in SCORES.items()}, "ssim")
    order = by_itself(GRAIN, REAL_GRAIN, "lower", "order")
    cases = list(worst_cases(evaluation([pair(SCORES), gray, order])))
    assert [case.name for case in cases[:2]] == [NASTY, "two"]
    assert [reason.split()[0] for reason in cases[0].reasons][:2] == ["psnr", "ssim"]
    assert len({case.name for case in cases}) == len(cases)


def test_a_clip_at_the_best_score_is_not_among_the_worst():
    frozen = by_itself({**dict.fromkeys(NAMES, 0.0), "four": 1.0}, REAL_GRAIN, "lower", "frozen")
    assert [case.name for case in worst_cases(evaluation([frozen]))] == ["four"]


def test_far_from_real_is_worst_on_either_side():
    scores = dict(zip(NAMES, [0.5, 0.1, 0.45, 0.55, 0.5, 0.8], strict=True))
    cases = worst_cases(evaluation([by_itself(scores, dict.fromkeys(NAMES, 0.5))]))
    assert [case.name for case in cases][:2] == ["two", NASTY]


def test_the_usual_clip_is_the_median():
    scores = dict(zip("abcde", [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))
    assert usual_cases(evaluation([pair(scores)]))[0].name == "c"


def test_random_weights_choose_no_clip_and_are_no_result():
    random = pair(SCORES, "random-lpips-alex", "lower", "")
    told = evaluation([random, pair(dict.fromkeys(NAMES, 30.0))])
    assert list(worst_cases(told)) == []
    assert headline(told)[0] == "1 metric, none with real clips to hold it against"
    assert "1 test with random weights" in headline(told)[1]
    assert any("no results" in warning for warning in warnings(told))


def test_the_headline_counts():
    worse, noise = distance(), distance("mmd-offline-motion", 1.0, 1.0625)
    told = evaluation([worse, noise, by_itself(GRAIN, REAL_GRAIN), pair(SCORES)])
    assert headline(told) == (
        "Worse than real clips in 1, unlike them in 1 of 4 metrics",
        "1 within noise, 1 without a floor. 6 generated clips of 16 frames, 64x64 px, against 6 "
        "real.",
    )


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_means_that_overlap_stand_beside_the_difference_that_decides(tmp_path, suffix):
    overlapping = by_itself(GRAIN, REAL_GRAIN, made=interval(5.0), real=interval(4.75))
    texts = []
    for index, paired in enumerate((interval(0.25, 0.125), None)):
        told = evaluation([overlapping.model_copy(update={"paired": paired})])
        path = write_report(told, tmp_path / f"{index}{suffix}", sheets=0)
        text = path.read_text(encoding="utf-8")
        if suffix == ".md":
            text = MarkdownIt("commonmark").enable("table").render(text)
        texts.append(" ".join(Page(text).text.split()))
    assert "grain: unlike real" in texts[0]
    assert "the verdict comes from “minus its real clip”" in texts[0]
    assert "0.25 [0.125, 0.375]" in texts[0]
    assert "grain: within noise" in texts[1]
    assert "minus its real clip" not in texts[1].lower()


def test_the_markdown_table_has_a_column_for_the_difference(found, tmp_path):
    text = write_report(found, tmp_path / "a.md", sheets=0).read_text(encoding="utf-8")
    table = text[text.index("### By itself") : text.index("### Against")]
    head, rule, row = (line for line in table.splitlines() if line.startswith("|"))
    assert head.count("|") == rule.count("|") == row.count("|")
    place = head.split(" | ").index("minus its real clip")
    assert row.split(" | ")[place] == r"0.1375 \[0.075, 0.2\]"
    assert "minus its real clip |" not in text[text.index("### Against") :]


def test_without_an_interval_there_is_no_verdict_and_it_is_not_for_want_of_real_clips():
    single = Interval(value=1.0, n=1)
    told = evaluation([by_itself(GRAIN, REAL_GRAIN, made=single, real=single)])
    assert headline(told)[0] == "1 metric, none with a verdict"
    assert list(verdicts(told)) == ["no verdict"]
    assert any(text.startswith("No verdict: too few clips") for text in reading(told))


def test_few_clips_are_warned_of():
    told = warnings(evaluation([distance(), distance("mmd-offline-motion")]))
    assert "fd-offline-motion from 6 clips, fewer than 2,048" in told[0]
    assert "mmd-offline-motion" not in told[0]
    assert "Only 6 clips on one side" in told[1]


def test_missing_clips_leave_a_sentence(tmp_path):
    path = write_report(evaluation([pair(SCORES)], tmp_path / "gone", "gone"), tmp_path / "a.html")
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Clips cannot be shown" in text
    assert "psnr" in text


def test_one_missing_clip_leaves_a_sentence_and_the_others(folders, tmp_path):
    told = evaluation(
        [pair({**SCORES, "lost": 1.0})], folders / "real", folders / "made", pairs={"one": "one"}
    )
    text = write_report(told, tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"lost is no longer in {folders / 'made'}." in text
    assert "It has no real clip of its name." in text
    assert text.count('class="moving') == 6


def test_settings_of_another_version_leave_a_sentence(folders, tmp_path):
    settings = {"fraems": 8}
    told = evaluation([pair(SCORES)], folders / "real", folders / "made", settings=settings)
    assert "Clips cannot be shown" in write_report(told, tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("suffix", [".html", ".md", ".json"])
def test_numbers_that_are_none_are_written(folders, tmp_path, bad, suffix):
    scores = {**SCORES, "one": bad}
    real = {**REAL_GRAIN, "two": bad}
    metrics = [pair(scores), by_itself(scores, real), pair(dict.fromkeys(NAMES, bad), "ssim")]
    told = evaluation(metrics, folders / "real", folders / "made")
    text = write_report(told, tmp_path / f"a{suffix}", sheets=2).read_text(encoding="utf-8")
    sign = "not a number" if math.isnan(bad) else "∞"
    assert (sign in text) == (suffix != ".json")
    assert not re.search(r'[ "MHd](nan|inf)\b', re.sub(r"base64,[^\"]*", "", text))


def test_without_scores_of_clips_some_are_shown(folders, tmp_path):
    told = evaluation([distance()], folders / "real", folders / "made", pairs={})
    text = write_report(told, tmp_path / "a.html", sheets=4).read_text(encoding="utf-8")
    assert "No metric scores single clips" in text
    assert "Real clips" in text
    assert text.count('class="moving') == 5


def test_unmeasured_metrics_and_no_metrics_are_written(folders, tmp_path):
    lacking = distance().model_copy(update={"made": None, "real": None, "full": None})
    for index, metrics in enumerate(([lacking], [])):
        told = evaluation(metrics, folders / "real", folders / "made")
        write_report(told, tmp_path / f"{index}.html", sheets=0)
        write_report(told, tmp_path / f"{index}.md", sheets=0)
    assert "not measured" in (tmp_path / "0.html").read_text(encoding="utf-8")


def test_json_is_the_evaluation_itself(found, tmp_path):
    assert read_evaluation(write_report(found, tmp_path / "a.json")) == found


def test_markdown_has_tables_pictures_and_no_markup_of_others(found, tmp_path):
    path = write_report(found, tmp_path / "my report.md")
    page = Page(MarkdownIt("commonmark").enable("table").render(path.read_text(encoding="utf-8")))
    assert page.tags.count("table") >= 4
    assert "script" not in page.tags
    assert NASTY in page.text
    pictures = [address for address in page.addresses if "_files/" in address]
    assert len(pictures) == 6 * 2 + 6
    assert all((tmp_path / unquote(address)).is_file() for address in pictures)
    assert "[4.125, 5.125]" not in page.text
    assert "[3.625, 4.625]" in page.text


def test_markdown_replaces_its_own_pictures_and_no_other_files(found, tmp_path):
    path = tmp_path / "a.md"
    write_report(found, path, sheets=4)
    write_report(found, path, sheets=1)
    assert not (tmp_path / "a_files" / "clip-4-moving.webp").exists()
    (tmp_path / "a_files" / "mine.txt").write_text("mine")
    with pytest.raises(MediaError, match="already holds other files"):
        write_report(found, path)


def test_other_suffixes_and_too_many_clips_are_refused(found, tmp_path):
    with pytest.raises(ConfigError, match=r"Use \.html for one file"):
        check_report(tmp_path / "a.pdf")
    with pytest.raises(ConfigError, match="0 to 64"):
        write_report(found, tmp_path / "a.html", sheets=65)
    assert not list(tmp_path.iterdir())


def test_a_sheet_keeps_every_frame_and_says_what_it_shows(clips):
    sheet = draw_sheet([Panel("real", clips[0]), Panel("generated", clips[1])], 700_000)
    with Image.open(io.BytesIO(sheet.moving)) as image:
        assert (image.n_frames, image.info["loop"]) == (16, 0)
        assert image.size == (2 * 64 + 2, 64 + 6) == (sheet.size.width, sheet.size.height)
        shown = np.asarray(image.convert("RGB"))
    assert np.array_equal(shown[:64, :64], clips[0][0])
    assert np.array_equal(shown[:64, 66:], clips[1][0])
    assert sheet.facts == "64x64 px, 16 frames, 8 fps"


def test_a_clip_that_stands_still_keeps_its_frames(clips):
    sheet = draw_sheet([Panel("generated", np.repeat(clips[0][:1], 9, axis=0))], 700_000)
    with Image.open(io.BytesIO(sheet.moving)) as image:
        assert image.n_frames == 9


def test_large_and_long_clips_are_made_small_and_say_so(noise_clip):
    long = np.tile(noise_clip.repeat(8, 1).repeat(8, 2), (5, 1, 1, 1))
    sheet = draw_sheet([Panel("real", long), Panel("generated", long[:16])], 200_000)
    assert len(sheet.moving) + len(sheet.still) < 200_000
    assert not sheet.is_beside or "shown at" in sheet.facts
    assert "real 80 frames, generated 16 frames" in sheet.facts


def test_wide_clips_stand_one_above_the_other(clips):
    wide = np.tile(clips[0], (1, 1, 2, 1))
    assert not draw_sheet([Panel("real", wide), Panel("generated", wide)], 700_000).is_beside


def test_reports_stay_below_eight_mebibytes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 16, 256, 256, 3), dtype=np.uint8)
    np.save(tmp_path / "set.npy", noise)
    told = evaluation([], tmp_path / "set.npy", tmp_path / "set.npy", pairs={"set-0": "set-1"})
    path = write_report(told, tmp_path / "a.html", sheets=2)
    assert path.stat().st_size < 2 * 1_000_000


def test_plots_hold_nothing_that_is_no_number():
    assert interval_plot([Row("made", "made", Interval(value=math.nan, n=1))], "none") == ""
    assert strip_plot([("made", "made", [math.inf])], "none") == ""
    drawn = strip_plot([("made", "made", [1.0, math.inf, 1.0]), ("real", "real", [])], "a < b")
    assert "+1 infinite" in drawn
    assert "a &lt; b" in drawn
    assert "nan" not in drawn
    assert "<style>" in standalone(drawn)


def test_a_plot_puts_values_where_they_belong():
    rows = [Row("made", "made", interval(0.75, 0.25)), Row("real", "real", interval(0.25, 0.25))]
    drawn = interval_plot(rows, "both")
    made, real = (float(at) for at in re.findall(r'cx="([\d.]+)"', drawn))
    ticks = {
        float(text): float(at)
        for at, text in re.findall(r'<text x="([\d.]+)"[^>]*middle">([\d.]+)<', drawn)
    }
    per_unit = (ticks[1.0] - ticks[0.0]) / 1.0
    assert made - real == pytest.approx(0.5 * per_unit, abs=0.2)


@pytest.mark.parametrize("suffix", [".html", ".md", ".json"])
def test_a_comparison_shows_differences_and_three_clips(folders, tmp_path, suffix):
    other = {**SCORES, NASTY: 40.0}
    runs = [
        evaluation([pair(scores), distance()], folders / "real", folders / made)
        for scores, made in ((SCORES, "made"), (other, "other"))
    ]
    differences = compare_runs(*runs)
    path = write_comparison(*runs, differences, tmp_path / f"a{suffix}")
    text = path.read_text(encoding="utf-8")
    assert "psnr" in text
    assert "<script>alert" not in text or suffix == ".json"
    if suffix == ".html":
        page = Page(text)
        assert page.headings[0] == NASTY
        assert "psnr 10 → 40 dB: largest change of 6" in page.text
        assert "real left, first middle, second right" in page.alts[0]
        assert "No clear winner in 1 metric" in page.text
