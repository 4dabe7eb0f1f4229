"""Frames that occur twice in a dataset, as they are or mirrored, above all across the split."""

import hashlib
from dataclasses import dataclass, field

from filmgrid.data.manifest import SPLITS, Split
from filmgrid.data.sequences import Sequence
from filmgrid.types import ImageArray


@dataclass(slots=True)
class Twins:
    """Takes sequences, keeps hashes of their frames, and counts what occurs twice.

    Sets of clips are often doubled by mirroring. A clip on one side of the split whose twin is
    on the other makes a score on held-out clips worthless.
    """

    num_mirrored_sequences: int = 0
    """Sequences that are the mirror image of an earlier one."""
    _mirror_of: dict[Split, dict[bytes, bytes]] = field(
        default_factory=lambda: {side: {} for side in SPLITS}
    )
    """By side, the hash of every frame that is not of one colour, with that of its mirror."""
    _known: dict[tuple[str, int], tuple[bytes, bytes]] = field(default_factory=dict)
    _sequences: set[bytes] = field(default_factory=set)

    def take(self, sequence: Sequence) -> None:
        """Add a sequence."""
        plain, mirror = b"", b""
        for index, frame in zip(sequence.entry.indices, sequence.frames, strict=True):
            hashes = self._hashes((sequence.entry.source, index), frame)
            if frame.min() != frame.max():
                self._mirror_of[sequence.entry.split][hashes[0]] = hashes[1]
            plain, mirror = plain + hashes[0], mirror + hashes[1]
        self.num_mirrored_sequences += plain != mirror and mirror in self._sequences
        self._sequences.add(plain)

    @property
    def num_shared_frames(self) -> int:
        """Different held-out frames that are also trained on."""
        return len(self._mirror_of["held_out"].keys() & self._mirror_of["train"].keys())

    @property
    def num_mirrored_frames(self) -> int:
        """Different held-out frames whose mirror image is trained on."""
        trained = self._mirror_of["train"]
        return sum(mirror in trained for mirror in self._mirror_of["held_out"].values())

    def _hashes(self, place: tuple[str, int], frame: ImageArray) -> tuple[bytes, bytes]:
        if place not in self._known:  # sequences that overlap share frames
            self._known[place] = _hash(frame), _hash(frame[:, ::-1])
        return self._known[place]


def _hash(frame: ImageArray) -> bytes:
    return hashlib.blake2b(frame.tobytes(), digest_size=16).digest()
