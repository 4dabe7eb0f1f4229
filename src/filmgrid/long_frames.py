"""Finished frames of a long generation: decoded, enlarged and given out in their order.

What the next grid needs of a finished one are its latents. So its frames may be decoded and
enlarged in a thread, while the next one is sampled; where that does not pay, it is done between
the two.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.generator import Generator
from filmgrid.models.enlarging import Enlarger
from filmgrid.pipeline import InOrder
from filmgrid.types import ImageArray
from filmgrid.walking import Frames8

Latents = Float[Tensor, "b c h w"]
Pipelined = Literal["auto", "on", "off"]
"""Whether finished frames are decoded, enlarged and written beside the next grid; auto: on CUDA."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """All that the windows to come need of those that were made.

    Args:
        windows: done.
        written: frames given out.
        latents: by number of the frame.
        pixels: frames that were made and not given out, by number.
        look: mean and standard deviation of each channel of the first window, for colour_lock.
    """

    windows: int = 0
    written: int = 0
    latents: Mapping[int, Latents] = field(default_factory=dict)
    pixels: Mapping[int, UInt8[np.ndarray, "b h w 3"]] = field(default_factory=dict)
    look: Float[Tensor, "2 b c 1 1"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Finished frames that follow each other, 8-bit.

    Args:
        first: number of the first of them.
        arrays: of each sequence.
    """

    first: int
    arrays: Frames8


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A window is done, and all its frames that follow those before were given out.

    Args:
        memory: what going on from here takes.
    """

    memory: Memory


def runs_beside(generator: Generator, pipelined: Pipelined) -> bool:
    """Whether frames are finished beside the next grid.

    On a CPU both would compete for its cores. Networks that are moved to the device for each call
    must not be called from two threads.
    """
    if generator.loading.offload != "none":
        return False
    return pipelined == "on" or (pipelined == "auto" and generator.device.type == "cuda")


class Finishing:
    """Makes frames of latents, in order.

    Args:
        enlarge: what is done to finished frames of a sequence, if anything.
        device: of the latents.
        pixels: frames that were made and not given out before.
        beside: whether it happens in a thread.
    """

    def __init__(
        self,
        enlarge: Enlarger | None,
        device: torch.device,
        pixels: Mapping[int, UInt8[np.ndarray, "b h w 3"]],
        beside: bool,
    ) -> None:
        self._enlarge, self._device = enlarge, device
        self._pixels = dict(pixels)  # touched by the pieces of work alone
        self._work = InOrder(beside)
        self._stream: Any = None
        if beside and device.type == "cuda":
            self._stream = torch.cuda.Stream(device)

    def take(self, decode: Callable[[], Frames8], frames: Sequence[int]) -> None:
        """Decode what a window made.

        Args:
            decode: gives its frames.
            frames: number of each.
        """

        def take() -> None:
            shown = decode()
            for place, frame in enumerate(frames):
                self._pixels[frame] = shown[:, place]

        self._put(take)

    def give(self, first: int, given: Sequence[ImageArray | None], count: int) -> None:
        """Put frames that follow each other together and enlarge them: a :class:`Stretch`.

        Args:
            first: number of the first.
            given: each frame that was given; None is one that was made.
            count: sequences side by side.
        """

        def give() -> Stretch:
            run = [
                self._pixels.pop(first + place)
                if image is None
                else np.broadcast_to(image, (count, *image.shape))
                for place, image in enumerate(given)
            ]
            arrays = np.stack(run, axis=1)
            if self._enlarge is not None:
                arrays = np.stack([self._enlarge(each) for each in arrays])
            return Stretch(first, arrays)

        self._put(give)

    def mark(self, memory: Memory) -> None:
        """Give a :class:`Checkpoint` when all before it was given; its pixels are filled in."""
        self._put(lambda: Checkpoint(replace(memory, pixels=dict(self._pixels))))

    def done(self, *, wait: bool = False) -> Iterator[Stretch | Checkpoint]:
        """What became ready, in order.

        Args:
            wait: for all that is under way.

        Raises:
            FilmgridError: if something could not be decoded or enlarged.
        """
        for event in self._work.done(wait=wait):
            if event is not None:
                yield event

    def close(self) -> None:
        """Drop what is under way."""
        self._work.close()

    def _put(self, work: Callable[[], Any]) -> None:
        stream, ready = self._stream, None
        if stream is not None:  # when all is there that this thread has asked of the device
            ready = torch.cuda.current_stream(self._device).record_event()

        def run() -> Any:
            with torch.inference_mode():
                if stream is None or ready is None:
                    return work()
                stream.wait_event(ready)
                with torch.cuda.stream(stream):
                    return work()

        self._work.put(run)
