"""Read a scene of flat things off its frames: background, colours, shapes, sizes and motions."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.things import Motion
from filmgrid.data.world.words import NUM_BEATS, SIZES, pace_of
from filmgrid.evaluation.judges.paths import PathFit, fit_path
from filmgrid.evaluation.judges.segment import segment
from filmgrid.evaluation.judges.templates import moments, shape_and_spin, unit_area
from filmgrid.types import FrameArray

SMALL_BELOW = (SIZES["small"][1] + 0.19) / 2
"""Cell sides of radius; what others pass is as small as 0.19."""
LEAST_FACTOR = 1.4
"""Of the radius over 15 beats, from which on a thing grows or shrinks."""
WHOLE_SHARE = 0.85
"""Of its usual area, from which on a thing is not hidden."""


@dataclass(frozen=True, slots=True)
class ThingSeen:
    """One thing, read off the frames.

    Args:
        shape: a name of ``SHAPES``.
        colour: a name of ``COLOURS``.
        motion: what it does, in the words of the world.
        size: a name of ``SIZES``; none for what grows or shrinks.
        centres: x and y in cell sides in every frame; NaN where it is hidden or gone.
        radii: in cell sides in every frame; NaN where it is hidden or gone.
        path_error: root mean square distance of the centres from the path of the verb.
    """

    shape: str
    colour: str
    motion: Motion
    size: str | None
    centres: Float[np.ndarray, "n 2"]
    radii: Float[np.ndarray, " n"]
    path_error: float


@dataclass(frozen=True, slots=True)
class MotionSeen:
    """What frames show: the background, and up to two things, the largest area first."""

    background: str
    things: tuple[ThingSeen, ...]


def judge_motion(frames: FrameArray, pace: float | None = None) -> MotionSeen:
    """Say what a sequence of flat things shows.

    A thing that is whole in fewer than 4 frames is not seen.

    Args:
        frames: at least 4; validated at 16 frames of 64 px.
        pace: beats per frame, as for :meth:`filmgrid.data.world.things.Thing.track`.
    """
    beats = np.arange(len(frames)) * (pace_of(len(frames)) if pace is None else pace)
    segments = segment(frames)
    covers = torch.from_numpy(segments.covers)
    seen: list[ThingSeen] = []
    areas: list[np.ndarray] = []
    paths: list[PathFit] = []
    for colour, cover in zip(segments.colours, covers, strict=True):
        area = moments(cover)[0].numpy()
        whole = _whole(area, several=len(covers) > 1)
        if whole.sum() < 4:
            continue
        thing, path = _thing(colour, cover, whole, beats)
        seen.append(thing)
        areas.append(area)
        paths.append(path)
    if len(seen) == 2:
        seen = _passing(seen, areas, paths, beats)
    return MotionSeen(segments.background, tuple(seen))


def _whole(area: Float[np.ndarray, " n"], several: bool) -> Bool[np.ndarray, " n"]:
    """Frames in which nothing hides the thing; alone, it may also change its size."""
    usual = np.quantile(area, 0.8)
    return area > (WHOLE_SHARE * usual if several else max(4.0, 0.02 * usual))


def _thing(
    colour: str, cover: torch.Tensor, whole: Bool[np.ndarray, " n"], beats: np.ndarray
) -> tuple[ThingSeen, PathFit]:
    height, width = cover.shape[1:]
    shown = cover[torch.from_numpy(whole)]
    shape, spin = shape_and_spin(shown, beats[whole])
    area, x, y = (values.numpy() for values in moments(cover))
    centres = np.stack([x / width, y / height], 1)
    radii = np.sqrt(area / unit_area(shape)) / min(height, width)
    path = fit_path(beats[whole], centres[whole])
    slope = np.polyfit(beats[whole], np.log(radii[whole]), 1)[0]
    motion = _motion(path, spin, float(slope * NUM_BEATS))
    steady = motion.verb not in ("growing", "shrinking")
    size = "small" if np.median(radii[whole]) < SMALL_BELOW else "big"
    centres[~whole], radii[~whole] = np.nan, np.nan
    thing = ThingSeen(shape, colour, motion, size if steady else None, centres, radii, path.error)
    return thing, path


def _motion(path: PathFit, spin: float, growth: float) -> Motion:
    """The verb: growth before paths, and paths before spin.

    Args:
        path: of the centres.
        spin: degrees clockwise per beat.
        growth: natural logarithm of the factor of the radius over 15 beats.
    """
    if abs(growth) > np.log(LEAST_FACTOR):
        return Motion("growing" if growth > 0 else "shrinking")
    match path.verb:
        case "moving":
            return Motion("moving", path.direction, path.speed)
        case "stopping" | "bouncing":
            return Motion(path.verb, path.direction)
        case "circling":
            return Motion("circling", turn=path.turn)
    if spin:
        return Motion("spinning", turn="clockwise" if spin > 0 else "anticlockwise")
    return Motion("staying still")


def _passing(
    seen: list[ThingSeen], areas: list[np.ndarray], paths: list[PathFit], beats: np.ndarray
) -> list[ThingSeen]:
    """If one thing crosses the other, say so, and which is behind; the one that passes is first."""
    movers = [place for place in (0, 1) if paths[place].verb in ("moving", "stopping", "bouncing")]
    if len(movers) != 1:
        return seen
    mover, other = movers[0], 1 - movers[0]
    velocity = paths[mover].velocity
    usual = np.nanmedian(seen[other].centres, axis=0)
    along = (
        np.nanmean(seen[mover].centres - beats[:, None] * velocity, axis=0)
        + beats[:, None] * velocity
    )
    apart = np.linalg.norm(along - usual, axis=1)
    reach = float(np.nanmedian(seen[mover].radii) + np.nanmedian(seen[other].radii))
    nearest = int(apart.argmin())
    if apart[nearest] > 0.6 * reach or nearest in (0, len(beats) - 1):
        return seen
    hidden = areas[mover][nearest] < 0.6 * np.quantile(areas[mover], 0.8)
    verb = "passing behind" if hidden else "passing in front of"
    passes = ThingSeen(
        seen[mover].shape,
        seen[mover].colour,
        Motion(verb, paths[mover].direction),
        seen[mover].size,
        seen[mover].centres,
        seen[mover].radii,
        seen[mover].path_error,
    )
    return [passes, seen[other]]


def compare_motion(scene: MotionScene, seen: MotionSeen) -> dict[str, bool]:
    """Which words of the scene the frames show; those that the scene does not use are left out.

    Things are told apart by their colour; a thing that is not seen has all its words wrong.
    """
    right = {"background": seen.background == scene.background}
    by_colour = {thing.colour: thing for thing in seen.things}
    words: dict[str, list[bool]] = {}
    for thing in scene.things:
        found = by_colour.get(thing.colour)
        if found is None and len(scene.things) == 1 and seen.things:
            found = seen.things[0]
        asked = {
            "colour": (thing.colour, found and found.colour),
            "shape": (thing.shape, found and found.shape),
            "size": (thing.size, found and found.size),
            "verb": (thing.motion.verb, found and found.motion.verb),
            "direction": (thing.motion.direction, found and found.motion.direction),
            "speed": (thing.motion.speed, found and found.motion.speed),
            "turn": (thing.motion.turn, found and found.motion.turn),
        }
        for word, (wanted, got) in asked.items():
            if wanted is not None:
                words.setdefault(word, []).append(wanted == got)
    right |= {word: all(values) for word, values in words.items()}
    right["number"] = len(seen.things) == len(scene.things)
    return right
