"""What mini understands of its world: prompts never trained on, judged from the frames alone.

    python benchmarks/shapes.py --model mini --count 64

For each prompt one sequence is made, and read off its frames: the background (median of the
border), the thing (pixels far from that), its colour (median), shape (the best overlap with the
shapes of the world, drawn at its place and size) and path (centres of mass). The judge is first
held to the real frames of the same scenes: what it gets wrong there it cannot say of a model.
"""

import argparse
import json
from collections import defaultdict

import numpy as np

from filmgrid.data.shapes_world import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    GROWTH,
    SHAPES,
    SPEEDS,
    Scene,
    draw_scene,
)
from filmgrid.generator import Generator
from filmgrid.grid.spec import CellSize

HELD_OUT = 3  # the trainer draws scenes from seeds [number, 7]
CONTRAST = 60  # sum of the channels' differences, in levels of 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--guidance", type=float, default=None)
    parser.add_argument("--first-frame", action="store_true", help="give the real first frame")
    args = parser.parse_args()

    generator = Generator.from_pretrained(args.model)
    layout = generator.backbone.facts.default_layout
    cell = generator.backbone.facts.default_cell
    scores: dict[str, dict[str, list[float]]] = {
        "real": defaultdict(list),
        "made": defaultdict(list),
    }
    for number in range(args.count):
        scene = draw_scene(np.random.default_rng([number, HELD_OUT]), layout.num_cells)
        real = scene.render(layout.num_cells, cell)
        prompt = next(said for said in scene.captions() if scene.speed in said or _unmoved(scene))
        first = real[0] if args.first_frame else None
        asked = {"image": first, "seed": number, "guidance_scale": args.guidance}
        made = generator(prompt, layout=layout, **asked).arrays[0]
        for name, frames in (("real", real), ("made", made)):
            for what, value in judge(scene, frames).items():
                scores[name][what].append(value)
    for name, values in scores.items():
        told = {what: round(summary(what, each), 3) for what, each in values.items()}
        print(name, json.dumps(told))


def summary(what: str, values: list[float]) -> float:
    """Share right, or the median and nothing else of what is measured in pixels."""
    return float(np.median(values) if what.endswith("px") else np.mean(values))


def judge(scene: Scene, frames: np.ndarray) -> dict[str, float]:
    """1 or 0 for each word of the scene that the frames show, and the error of the path."""
    side = frames.shape[1]
    border = np.concatenate(
        [frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], axis=1
    )
    ground = np.median(border.reshape(-1, 3), axis=0)
    cover = np.abs(frames.astype(float) - ground).sum(axis=-1) > CONTRAST
    right = {"background": float(_nearest(ground, BACKGROUNDS) == scene.background)}
    if cover.any(axis=(1, 2)).sum() < len(frames):
        return {**right, "colour": 0.0, "shape": 0.0, "motion": 0.0, "frames with a thing": 0.0}
    shades = [np.median(frame[there], axis=0) for frame, there in zip(frames, cover, strict=True)]
    colours = [_nearest(shade, COLOURS) == scene.colour for shade in shades]
    shapes = [_shape_of(there) == scene.shape for there in cover]
    centres = np.stack([_centre(there) for there in cover])
    slope = np.polyfit(np.arange(len(centres)), centres, 1)[0]  # pixels per frame, x and y
    growth = cover[-4:].sum() / cover[:4].sum()
    right["colour"] = float(np.mean(colours))
    right["shape"] = float(np.mean(shapes))
    right["frames with a thing"] = 1.0
    slowest = min(SPEEDS.values()) * side
    if scene.motion in GROWTH:
        right["motion"] = float(growth > 1.3 if scene.motion == "growing" else growth < 1 / 1.3)
    else:
        direction = np.array(DIRECTIONS.get(scene.motion, (0, 0)))
        went = np.where(np.abs(slope) > slowest / 2, np.sign(slope), 0)
        right["motion"] = float((went == direction).all())
        if (direction != 0).any():
            expected = direction * SPEEDS[scene.speed] * side
            path = np.arange(len(centres))[:, None] * expected
            off = centres - path - (centres - path).mean(axis=0)
            right["path error px"] = float(np.sqrt((off**2).sum(axis=1).mean()))
    return right


def _unmoved(scene: Scene) -> bool:
    return scene.motion not in DIRECTIONS


def _nearest(shade: np.ndarray, names: dict[str, tuple[int, int, int]]) -> str:
    return min(names, key=lambda name: float(np.abs(shade - names[name]).sum()))


def _centre(there: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(there)
    return np.array([x.mean(), y.mean()])


def _shape_of(there: np.ndarray) -> str:
    """The shape whose drawing of the same area, moved to the same centre, overlaps most."""
    side = len(there)
    overlaps = {}
    for shape in SHAPES:
        unit = _drawn(shape, (0.5, 0.5), 0.25, side)
        radius = 0.25 * np.sqrt(there.sum() / unit.sum())
        drawn = _drawn(shape, (0.5, 0.5), radius, side)
        move = (_centre(there) - _centre(drawn)) / side if drawn.any() else np.zeros(2)
        drawn = _drawn(shape, (0.5 + move[0], 0.5 + move[1]), radius, side)
        overlaps[shape] = (drawn & there).sum() / max(1, (drawn | there).sum())
    return max(overlaps, key=lambda shape: overlaps[shape])


def _drawn(shape: str, centre: tuple[float, float], radius: float, side: int) -> np.ndarray:
    frame = Scene(shape, "white", "black", "staying still", "slowly", centre, radius).render(
        1, CellSize(side, side)
    )[0]
    return frame[..., 0] > 128


if __name__ == "__main__":
    main()
