"""Which metric sees what: a matrix of signs, declared first, then measured on real clips.

    python benchmarks/sign_matrix.py ../shared/data --out docs/sign-matrix.md

Real clips are spoiled in seven ways, each at three growing levels, and measured by every metric of
``filmgrid evaluate`` that needs no download. DECLARED was written, and committed, before the first
run; whatever came out otherwise is printed as a surprise and not moved into the table.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from filmgrid.data.fit import fit_frames
from filmgrid.data.media import read_mosaic, read_strip
from filmgrid.evaluation.catalogue import CATALOGUE
from filmgrid.evaluation.compare import compare_runs
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.measure import evaluate
from filmgrid.evaluation.results import Evaluation, Interval
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.metrics.statistics import bootstrap_mean
from filmgrid.types import FrameArray

NUM_FRAMES, CELL, LAYOUT = 16, CellSize(64, 64), "4x4"
KEPT = (0, NUM_FRAMES - 1)
WAYS = ("blur", "noise", "drop", "shuffle", "reverse", "seam", "drift")

# + must rise, - must fall, 0 cannot change, . may do anything; columns as WAYS.
DECLARED = {
    "psnr": "-------",
    "psnr-moving": "-------",
    "ssim": "------.",
    "ssim-uncropped": "------.",
    "ssim-torchmetrics": "------.",
    "ssim-uniform-7": "------.",
    "ssim-gray": "------.",
    "ssim-matlab-3d": "------.",
    "ssim-moving": "------.",
    "kept": "--.----",
    "order": ".+.+0..",
    "frozen": "..+.0..",
    "duplicates": ".......",
    "grain": "-+.00..",
    "loop": "....0.+",
    "seams": ".....-.",
    "stripes": "...00+.",  # added after the first commit, when this metric was new
    "identity": ".-+-0..",
    "drift": "......+",
    "warp": "-+-....",
    "warp-ratio": ".+.....",
    "mmd-offline-colour": ".+....+",
    "mmd-offline-gradients": "++.00..",
    "mmd-offline-motion": ".+++...",
    "mmd-offline-random": "++.....",
    "fd-offline-colour": ".+....+",
    "fd-offline-gradients": "++.00..",
    "fd-offline-motion": ".+++...",
    "fd-offline-random": "++.....",
}
PERFECT = {"psnr": 100.0, "psnr-moving": 100.0}
"""Stands for the infinite PSNR of equal frames; other pair metrics have 1 there."""

Spoil = Callable[[FrameArray, np.random.Generator], FrameArray]


def blur(sigma: float) -> Spoil:
    """Gaussian blur inside frames; sigma in px of 64."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        return _bytes(ndimage.gaussian_filter(frames.astype(float), (0, sigma, sigma, 0)))

    return spoil


def noise(level: float) -> Spoil:
    """Gaussian noise of its own in every frame; standard deviation in levels of 255."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        return _bytes(frames + random.normal(0, level, frames.shape))

    return spoil


def drop(share: float) -> Spoil:
    """Frames are lost, and the one before is shown instead."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        lost = 1 + random.permutation(len(frames) - 1)[: round(share * len(frames))]
        shown = np.arange(len(frames))
        for index in sorted(lost):
            shown[index] = shown[index - 1]
        return frames[shown]

    return spoil


def shuffle(window: int) -> Spoil:
    """Frames in random order within windows of so many."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        parts = [
            start + random.permutation(min(window, len(frames) - start))
            for start in range(0, len(frames), window)
        ]
        return frames[np.concatenate(parts)]

    return spoil


def reverse(window: int) -> Spoil:
    """Time runs backwards within windows of so many frames; 16 is the whole clip."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        parts = [
            np.arange(start, min(start + window, len(frames)))[::-1]
            for start in range(0, len(frames), window)
        ]
        return frames[np.concatenate(parts)]

    return spoil


def seam(offset: int) -> Spoil:
    """The grid of the clip is cut so many px to the right and below the true borders."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        rows, cols = (int(side) for side in LAYOUT.split("x"))
        n, height, width, _ = frames.shape
        grid = frames.reshape(rows, cols, height, width, 3).swapaxes(1, 2)
        grid = grid.reshape(rows * height, cols * width, 3)
        padded = np.pad(grid, ((0, offset), (0, offset), (0, 0)), mode="edge")
        moved = padded[offset:, offset:]
        cells = moved.reshape(rows, height, cols, width, 3).swapaxes(1, 2)
        return np.ascontiguousarray(cells.reshape(n, height, width, 3))

    return spoil


def drift(gain: float) -> Spoil:
    """Brightness grows evenly, to so much more in the last frame."""

    def spoil(frames: FrameArray, random: np.random.Generator) -> FrameArray:
        ramp = 1 + gain * np.linspace(0, 1, len(frames))
        return _bytes(frames * ramp[:, None, None, None])

    return spoil


LEVELS: dict[str, tuple[tuple[str, Spoil], ...]] = {
    "blur": tuple((f"{s} px", blur(s)) for s in (0.7, 1.4, 2.8)),
    "noise": tuple((f"{s} levels", noise(s)) for s in (6, 12, 24)),
    "drop": tuple((f"{s:.0%} of frames", drop(s)) for s in (0.125, 0.25, 0.5)),
    "shuffle": tuple((f"within {w}", shuffle(w)) for w in (2, 4, 16)),
    "reverse": tuple((f"within {w}", reverse(w)) for w in (4, 8, 16)),
    "seam": tuple((f"{p} px", seam(p)) for p in (1, 2, 4)),
    "drift": tuple((f"+{g:.0%}", drift(g)) for g in (0.1, 0.2, 0.4)),
}


def _bytes(values: np.ndarray) -> FrameArray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Material:
    """Clips of one kind: those that are spoiled, and others as the real ones for distances."""

    name: str
    spoiled: dict[str, FrameArray]
    others: dict[str, FrameArray]


def materials(data: Path) -> Iterator[Material]:
    """Time-lapse skies, and people moving; halves share no clip, and no person."""
    mosaic = data / "videos" / "mdgan_real_video.mp4"
    clips = read_mosaic(mosaic, Layout(6, 8, gap=2))
    skies = {
        f"sky-{index:02d}": fit_frames(clip.frames[:NUM_FRAMES], CELL, "resize")
        for index, clip in enumerate(clips)
    }
    yield Material(
        "skies",
        {name: skies[name] for name in list(skies)[::2]},
        {name: skies[name] for name in list(skies)[1::2]},
    )
    people: tuple[dict[str, FrameArray], dict[str, FrameArray]] = ({}, {})
    for action in sorted((data / "weizmann_actions").iterdir()):
        for strip in sorted(action.glob("*.jpg"), key=lambda file: int(file.stem)):
            number = int(strip.stem)
            if number % 2:
                continue  # the mirror image of the strip before
            frames = read_strip(strip, CELL.width).frames
            for start in range(0, len(frames) - NUM_FRAMES + 1, NUM_FRAMES):
                window = frames[start : start + NUM_FRAMES]
                side = people[0 if number // 8 in (0, 2, 4) else 1]
                side[f"{action.name}-{number:02d}-{start:03d}"] = window
    yield Material("people", *people)


def measured(
    folder: Path, real: dict[str, FrameArray], made: dict[str, FrameArray], *, distances: bool
) -> Evaluation:
    """Evaluate clips that are kept as arrays, by everything that needs no download."""
    for name, clips in (("real", real), ("made", made)):
        np.savez(folder / f"{name}.npz", **clips)  # pyright: ignore[reportArgumentType]
    kinds = ("distance",) if distances else ("pair", "clip")
    config = EvaluateConfig(
        real=folder / "real.npz",
        generated=folder / "made.npz",
        metrics=tuple(name for name in DECLARED if CATALOGUE[name].kind in kinds),
        layout=LAYOUT,
        kept=KEPT,
        repeats=40,
    )
    return evaluate(config)


def effects(clean: Evaluation, spoiled: Evaluation) -> dict[str, Interval]:
    """How far spoiling moved every metric: paired by clip, by draw for distances.

    Pair metrics are held against their perfect value, which equal clips have.
    """
    found: dict[str, Interval] = {}
    for metric in spoiled.metrics:
        if metric.kind == "pair":
            best = PERFECT.get(metric.name, 1.0)
            steps = [min(score, best) - best for score in metric.clips.values()]
            found[metric.name] = Interval.of(bootstrap_mean(np.array(steps)))
    for name, difference in compare_runs(clean, spoiled).items():
        found.setdefault(name, difference.difference)
    return found


def measure(material: Material, seed: int) -> dict[tuple[str, str], list[Interval]]:
    """Effects of every way at its growing levels, on every metric."""
    found: dict[tuple[str, str], list[Interval]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def both(clips: dict[str, FrameArray]) -> tuple[Evaluation, Evaluation]:
            return (
                measured(folder, material.spoiled, clips, distances=False),
                measured(folder, material.others, clips, distances=True),
            )

        clean = both(material.spoiled)
        for way in WAYS:
            for _, spoil in LEVELS[way]:
                random = np.random.default_rng(seed)
                clips = {name: spoil(frames, random) for name, frames in material.spoiled.items()}
                for before, after in zip(clean, both(clips), strict=True):
                    for name, effect in effects(before, after).items():
                        found.setdefault((name, way), []).append(effect)
            print(f"{material.name}: {way} measured", flush=True)
    return found


def sign(effect: Interval) -> str:
    """+ or - where the interval leaves 0 out, = where nothing changed at all, else 0."""
    assert effect.low is not None and effect.high is not None
    if max(abs(effect.low), abs(effect.high)) < 1e-9:
        return "="
    return "+" if effect.low > 0 else "-" if effect.high < 0 else "0"


def grows(levels: list[Interval]) -> bool:
    """Whether the effect is larger at every level than at the one before."""
    values = [effect.value for effect in levels]
    steps = np.diff([0.0, *values])
    return bool((steps > 0).all() or (steps < 0).all())


def judge(declared: str, levels: list[Interval]) -> str:
    """What came out, and whether that is what was declared."""
    seen = sign(levels[-1])
    if declared in "+-":
        if seen != declared:
            return "surprise"
        return "as declared" if grows(levels) else "seen, not growing"
    if declared == "0":
        return "as declared" if seen in "0=" else "surprise"
    return ""


def table(found: dict[str, dict[tuple[str, str], list[Interval]]]) -> str:
    """Markdown: the matrix, the surprises, every interval."""
    sets = list(found)
    lines = [
        f"| metric | {' | '.join(WAYS)} |",
        "|---|" + "---|" * len(WAYS),
    ]
    surprises: list[str] = []
    counts = {"as declared": 0, "seen, not growing": 0, "surprise": 0}
    for metric, row in DECLARED.items():
        cells: list[str] = []
        for declared, way in zip(row, WAYS, strict=True):
            parts: list[str] = []
            for name in sets:
                levels = found[name][metric, way]
                verdict = judge(declared, levels)
                counts[verdict] = counts.get(verdict, 0) + 1
                mark = {"surprise": "!", "seen, not growing": "~"}.get(verdict, "")
                parts.append(sign(levels[-1]) + mark)
                if verdict in ("surprise", "seen, not growing"):
                    surprises.append(
                        f"| {metric} | {way} | {name} | {declared} | "
                        + " | ".join(interval(effect) for effect in levels)
                        + f" | {verdict} |"
                    )
            shown = {".": "may", "0": "cannot", "+": "must +", "-": "must -"}[declared]
            cells.append(f"{shown}: {' '.join(parts)}")
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    kept = counts["as declared"]
    claims = sum(counts[verdict] for verdict in ("as declared", "seen, not growing", "surprise"))
    lines += [
        "",
        f"{kept} of {claims} claims came out as declared, {counts['seen, not growing']} were seen "
        f"without growing at every level, {counts['surprise']} are surprises.",
        "",
        "## Surprises",
        "",
        "| metric | way | clips | declared | lowest level | middle | highest | |",
        "|---|---|---|---|---|---|---|---|",
        *surprises,
        "",
        "## All effects at the highest level",
        "",
    ]
    for name in sets:
        lines += [f"### {name}", "", f"| metric | {' | '.join(WAYS)} |", "|---|" + "---|" * 7]
        for metric in DECLARED:
            cells = [interval(found[name][metric, way][-1]) for way in WAYS]
            lines.append(f"| {metric} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def interval(effect: Interval) -> str:
    """As a table has it."""
    return f"{effect.value:+.3g} [{effect.low:+.3g}, {effect.high:+.3g}]"


def main() -> None:
    """Measure, print, and write where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with videos/ and weizmann_actions/")
    parser.add_argument("--out", type=Path, help="Markdown file with a line <!-- matrix -->")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = {each.name: measure(each, given.seed) for each in materials(given.data)}
    text = table(found)
    print(text)
    if given.out is not None:
        head, mark, _ = given.out.read_text(encoding="utf-8").partition("<!-- matrix -->\n")
        given.out.write_text(f"{head}{mark}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
