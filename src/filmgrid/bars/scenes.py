"""Scenes that models are measured on: from a stream of seeds that training never draws from."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.motion_scenes import MotionScene, draw_motion_scene
from filmgrid.data.world.turntables import Turntable, draw_turntable
from filmgrid.data.world.words import VERBS

STREAM = 2031
"""Training draws from ``[seed, index, 11]``."""

Split = Literal["train", "held_out"]


def random_of(seed: int, number: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers for what else is drawn for a scene."""
    return np.random.default_rng([seed, number, STREAM, purpose])


def motion_scene(
    seed: int,
    number: int,
    *,
    split: Split = "train",
    verbs: Sequence[str] = VERBS,
    single: bool = False,
    num_frames: int = 16,
    pace: float | None = None,
) -> MotionScene:
    """A scene of flat things; its first thing has the verbs in turn.

    Args:
        seed: of the evaluation.
        number: of the scene.
        split: "train" for combinations that may be trained on, "held_out" for the others.
        verbs: that are wanted.
        single: whether only scenes of one thing will do.
        num_frames: of the sequence.
        pace: beats per frame, as for :meth:`filmgrid.data.world.things.Thing.track`.
    """
    rng, verb = random_of(seed, number), verbs[number % len(verbs)]
    while True:
        scene = draw_motion_scene(rng, num_frames, pace)
        fits = scene.things[0].motion.verb == verb and not (single and len(scene.things) > 1)
        if fits and is_held_out(scene) == (split == "held_out"):
            return scene


def turntable_scene(
    seed: int, number: int, *, split: Split = "train", num_frames: int = 24, still: bool = False
) -> Turntable:
    """A thing on a turntable; ``still`` if it may not hop or grow.

    The kinds come in turn, but not among held-out scenes: some kinds have no colour held out.
    """
    rng, kind = random_of(seed, number), list(KINDS)[number % len(KINDS)]
    while True:
        scene = draw_turntable(rng, num_frames)
        other = split == "train" and scene.kind != kind
        if other or (still and scene.act != "standing still"):
            continue
        if is_held_out(scene) == (split == "held_out"):
            return scene
