"""The world as a source of examples: its scenes by number, for training or for measuring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from filmgrid.data.examples import Example
from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.motion_captions import say_motion, say_still
from filmgrid.data.world.motion_scenes import MotionScene, draw_motion_scene
from filmgrid.data.world.paint import paint_motion
from filmgrid.data.world.shoot import shoot_turntables
from filmgrid.data.world.turntable_captions import say_turntable, say_turntable_still
from filmgrid.data.world.turntables import Turntable, draw_turntable
from filmgrid.grid.spec import CellSize

Scene = MotionScene | Turntable


@dataclass(frozen=True, slots=True)
class World:
    """Scenes of the world; the index of an example is part of its seed.

    Args:
        split: "train" without the combinations that are held out, "held_out" with nothing else,
            or "all".
        turntables: share of turntables among single images, and among sequences of the lengths
            that have any; the others are scenes of flat things.
        turntable_frames: lengths of the sequences that may be turntables.
        seed: of other scenes with the same numbers, such as those that a model is measured on.
        size: number of different examples before they repeat.
        coarse: whether captions of sequences say only what a single image shows.
    """

    split: Literal["train", "held_out", "all"] = "train"
    turntables: float = 0.5
    turntable_frames: tuple[int, ...] = (24,)
    seed: int = 0
    size: int = 1_000_000_000
    coarse: bool = False

    @property
    def has_captions(self) -> bool:
        """Every scene has a caption."""
        return True

    def __len__(self) -> int:
        return self.size

    def draw(
        self, index: int, num_frames: int, cell: CellSize, rng: np.random.Generator
    ) -> Example:
        """Draw the example of this index; only its wording depends on ``rng``."""
        scene = self.scene(index, num_frames)
        frames = render([scene], num_frames, cell)[0].numpy()
        return Example(frames, say(scene, 1 if self.coarse else num_frames, rng))

    def scene(self, index: int, num_frames: int) -> Scene:
        """The scene of this index: what its frames show, exactly."""
        rng = np.random.default_rng([self.seed, index % self.size, 11])
        may_turn = num_frames == 1 or num_frames in self.turntable_frames
        turns = rng.random() < self.turntables and may_turn
        draw = draw_turntable if turns else draw_motion_scene
        while True:
            scene = draw(rng, num_frames)
            if self.split == "all" or is_held_out(scene) == (self.split == "held_out"):
                return scene


def render(
    scenes: Sequence[Scene],
    num_frames: int,
    cell: CellSize,
    device: torch.device | str = "cpu",
) -> UInt8[Tensor, "b n h w 3"]:
    """Render scenes of either sort, those of a sort together.

    Args:
        scenes: at least one.
        num_frames: frames per scene, at least 1.
        cell: height and width of a frame in pixels.
        device: where to render, and where the frames are returned.
    """
    frames = torch.empty((len(scenes), num_frames, *cell, 3), dtype=torch.uint8, device=device)
    flat = {place: one for place, one in enumerate(scenes) if isinstance(one, MotionScene)}
    solid = {place: one for place, one in enumerate(scenes) if isinstance(one, Turntable)}
    if flat:
        frames[list(flat)] = paint_motion(list(flat.values()), num_frames, cell, device=device)
    if solid:
        frames[list(solid)] = shoot_turntables(list(solid.values()), num_frames, cell, device)
    return frames


def say(scene: Scene, num_frames: int, rng: np.random.Generator) -> str:
    """A caption for a scene of this many frames; ``rng`` chooses the words."""
    if isinstance(scene, Turntable):
        return (say_turntable_still if num_frames == 1 else say_turntable)(scene, rng)
    return (say_still if num_frames == 1 else say_motion)(scene, rng)
