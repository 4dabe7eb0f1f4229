"""Combinations that are never trained on, so that what a model combines itself can be measured.

About a tenth of the triples of colour, shape and verb; which ones depends on nothing but a fixed
seed. Free of torch.
"""

from functools import cache
from hashlib import blake2b

from filmgrid.data.world.motion_scenes import MotionScene

SEED = 4
ONE_IN = 10


def is_held_out(scene: MotionScene) -> bool:
    """Whether the scene shows a combination that is kept from training."""
    return any(_chosen(combination) for combination in combinations(scene))


def combinations(scene: MotionScene) -> list[tuple[str, ...]]:
    """What of the scene is combined, for each of its things."""
    return [(thing.colour, thing.shape, thing.motion.verb) for thing in scene.things]


@cache
def _chosen(combination: tuple[str, ...]) -> bool:
    digest = blake2b(f"{SEED}/{'/'.join(combination)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % ONE_IN == 0
