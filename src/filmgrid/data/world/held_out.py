"""Combinations that are never trained on, so that what a model combines itself can be measured.

About a tenth of the triples of colour, shape and verb, and a tenth of the pairs of main colour
and kind of turntable; which ones depends on nothing but a fixed seed. Free of torch.
"""

from functools import cache
from hashlib import blake2b

from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.turntables import Turntable

SEED = 4
ONE_IN = 10


def is_held_out(scene: MotionScene | Turntable) -> bool:
    """Whether the scene shows a combination that is kept from training."""
    return any(_chosen(combination) for combination in combinations(scene))


def combinations(scene: MotionScene | Turntable) -> list[tuple[str, ...]]:
    """What of the scene is combined, for each of its things."""
    if isinstance(scene, Turntable):
        return [(scene.colours[0], scene.kind)]
    return [(thing.colour, thing.shape, thing.motion.verb) for thing in scene.things]


@cache
def _chosen(combination: tuple[str, ...]) -> bool:
    digest = blake2b(f"{SEED}/{'/'.join(combination)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % ONE_IN == 0
