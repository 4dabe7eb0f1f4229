"""Which clips belong together, and on which side of the split they are."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from filmgrid.data.config import DatasetConfig
from filmgrid.data.manifest import Entry, Split
from filmgrid.data.sources import Source
from filmgrid.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided before a pixel is read."""

    clips: dict[str, tuple[str, ...]]
    """Names of the clips of every source."""
    group: dict[str, str]
    """Group of every clip."""
    side: dict[str, Split]
    """Side of every group."""


def plan_split(sources: Sequence[Source], config: DatasetConfig) -> Plan:
    """Name the clips of all sources, group them, and choose the side of every group.

    Raises:
        DatasetError: if a clip has no group, or the split cannot be made.
    """
    clips = {source.name: clip_names(source.name, config) for source in sources}
    group = {clip: group_of(clip, config) for names in clips.values() for clip in names}
    return Plan(clips, group, split_groups(group.values(), config))


def clip_names(source: str, config: DatasetConfig) -> tuple[str, ...]:
    """The source itself, or ``SOURCE#CELL`` for every clip of a mosaic."""
    if config.mosaic_layout is None:
        return (source,)
    return tuple(f"{source}#{cell}" for cell in range(config.mosaic_layout.num_cells))


def group_of(clip: str, config: DatasetConfig) -> str:
    """The group of a clip: itself, or what the expression captures in its name.

    Raises:
        DatasetError: if the expression does not match, or captures no number to divide.
    """
    if config.group is None:
        return clip
    match = re.search(config.group, clip)
    if match is None or match[1] is None:
        raise DatasetError(
            f"The group expression {config.group!r} does not match {clip}. Every source needs "
            "a group: change the expression so that it matches all of them."
        )
    if config.group_divide is None:
        return match[1]
    if not re.fullmatch(r"\d+", match[1], re.ASCII):
        raise DatasetError(
            f"The group {match[1]!r} of {clip} is not a number, so it cannot be divided by "
            f"{config.group_divide}. Capture digits only, for example '(\\d+)'."
        )
    return str(int(match[1]) // config.group_divide)


def is_drawn(group: str, fraction: float, seed: int) -> bool:
    """Whether a hash of seed and group falls into the held-out share.

    The draw looks at nothing else, so it stays when other groups come or go.
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < fraction


def split_groups(groups: Iterable[str], config: DatasetConfig) -> dict[str, Split]:
    """The side of every group.

    Raises:
        DatasetError: if a group to hold out does not exist, or all would be held out.
    """
    known = dict.fromkeys(groups)
    for name in config.held_out_groups:
        if name not in known:
            shown = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
            raise DatasetError(f"There is no group {name!r} to hold out. The groups are: {shown}.")
    side: dict[str, Split] = {}
    for group in known:
        held_out = group in config.held_out_groups or is_drawn(
            group, config.held_out_fraction, config.seed
        )
        side[group] = "held_out" if held_out else "train"
    if "train" not in side.values():
        raise DatasetError(
            f"All {len(side)} groups would be held out, and none is left to train on. Hold out "
            "fewer, choose another seed, or make finer groups."
        )
    return side


def without_duplicates(entries: list[Entry]) -> tuple[list[Entry], list[tuple[Entry, Entry]]]:
    """Keep identical sequences once, held out if one of them is; the others with their twin."""
    best: dict[str, Entry] = {}
    for entry in entries:
        kept = best.get(entry.sha256)
        if kept is None or (kept.split == "train" and entry.split == "held_out"):
            best[entry.sha256] = entry
    kept = [entry for entry in entries if best[entry.sha256] is entry]
    dropped = [(e, best[e.sha256]) for e in entries if best[e.sha256] is not e]
    return kept, dropped


def split_notes(
    config: DatasetConfig, duplicates: list[tuple[Entry, Entry]], held_out: list[Entry]
) -> Iterator[str]:
    """What the user should know about the split that came out."""
    across = [(dropped, kept) for dropped, kept in duplicates if dropped.split != kept.split]
    if across:
        dropped, kept = across[0]
        yield (
            f"{len(across)} sequence(s) occur on both sides of the split, the first in "
            f"{dropped.source} and {kept.source}; they are kept on the held-out side only. Put "
            "sources that share material into one group."
        )
    if config.held_out_fraction and not held_out:
        yield (
            f"No group was drawn for the held-out share of {config.held_out_fraction:g}, because "
            "there are few. Raise it, choose another seed, or name held_out_groups."
        )
    filled = {entry.group for entry in held_out}
    for name in config.held_out_groups:
        if name not in filled:
            yield f"The held-out group {name} has no sequence."
