"""The tasks: each a small function that says what is known, over the one sampler."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ShapeError
from filmgrid.grid.reference import (
    Reference,
    from_beginning,
    from_image,
    from_keyframes,
    from_redraw,
    from_sequence,
)
from filmgrid.grid.spec import Layout


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a request brings with it, as pixels in [-1, 1].

    Args:
        layout: of the sequence to make.
        images: one per sequence, by cell.
        video: frames of a source, one sequence each.
        redraw: cells of the source to make again.
        lock: cells of the source that stay.
    """

    layout: Layout
    images: Mapping[int, Float[Tensor, "b c h w"]]
    video: Float[Tensor, "b n c h w"] | None = None
    redraw: Sequence[int] = ()
    lock: Sequence[int] = ()

    @property
    def source(self) -> Float[Tensor, "b n c h w"]:
        """The frames of the source.

        Raises:
            ShapeError: if there is none.
        """
        if self.video is None:
            raise ShapeError("This task works on a sequence, and none was given. Give a video.")
        return self.video


def text(known: Known, start_sigma: float) -> Reference | None:
    """Text to sequence, or to one image on a 1x1 layout: nothing is known."""
    return None


def image(known: Known, start_sigma: float) -> Reference | None:
    """Image to sequence: the one image stays at its cell."""
    ((cell, picture),) = known.images.items()
    return from_image(picture, known.layout, cell, start_sigma)


def keyframes(known: Known, start_sigma: float) -> Reference | None:
    """Interpolation between keyframes at any cells."""
    return from_keyframes(known.images, known.layout, start_sigma)


def redraw(known: Known, start_sigma: float) -> Reference | None:
    """Some cells are made again."""
    return from_redraw(known.source, known.layout, known.redraw, start_sigma)


def edit(known: Known, start_sigma: float) -> Reference | None:
    """The whole sequence is changed, but for locked cells."""
    return from_sequence(known.source, known.layout, start_sigma, known.lock)


def extend(known: Known, start_sigma: float) -> Reference | None:
    """The sequence goes on, on this grid or a larger one."""
    return from_beginning(known.source, known.layout, start_sigma)


TASKS: dict[str, Callable[[Known, float], Reference | None]] = {
    task.__name__: task for task in (text, image, keyframes, redraw, edit, extend)
}
