"""The world as a source of examples: its scenes by number, for training or for measuring."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from filmgrid.data.examples import Example
from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.motion_captions import say_motion, say_still
from filmgrid.data.world.motion_scenes import MotionScene, draw_motion_scene
from filmgrid.data.world.paint import paint_motion
from filmgrid.grid.spec import CellSize

Split = Literal["train", "held_out", "all"]


@dataclass(frozen=True, slots=True)
class World:
    """Scenes of the world; the index of an example is part of its seed.

    Args:
        split: "train" without the combinations that are held out, "held_out" with nothing else,
            or "all".
        seed: of other scenes with the same numbers, such as those that a model is measured on.
        size: number of different examples before they repeat.
    """

    split: Split = "train"
    seed: int = 0
    size: int = 1_000_000_000

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
        say = say_still if num_frames == 1 else say_motion
        return Example(paint_motion([scene], num_frames, cell)[0].numpy(), say(scene, rng))

    def scene(self, index: int, num_frames: int) -> MotionScene:
        """The scene of this index: what its frames show, exactly."""
        rng = np.random.default_rng([self.seed, index % self.size, 11])
        while True:
            scene = draw_motion_scene(rng, num_frames)
            if self.split == "all" or is_held_out(scene) == (self.split == "held_out"):
                return scene
