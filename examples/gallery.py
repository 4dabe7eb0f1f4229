"""The gallery of the docs: every task with the shipped model, by the commands that it shows.

python examples/gallery.py docs

It writes ``gallery.md`` and its pictures. What is given to the model are the first scenes of
seed 1 that fit, neither chosen nor left out for what became of them.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filmgrid.bars.restoring import blur, hide_blocks
from filmgrid.bars.scenes import motion_scene, random_of, turntable_scene
from filmgrid.cli import main as filmgrid
from filmgrid.data.export import save_sequence
from filmgrid.data.media import read_grid
from filmgrid.data.provenance import Provenance, current_versions
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.source import Scene, render
from filmgrid.data.world.turntable_captions import full_turntable_caption
from filmgrid.data.world.turntables import Turntable
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray

SEED, FPS, SCALE = 1, 8.0, 3
PICTURES = "images/gallery"
SMALL = 64
"""Width on the page of a picture that is one frame."""
KEYFRAMES = (0, 5, 10, 15)
ONE = ("motion-first.png", "solid-first.png", *(f"circle-{cell}.png" for cell in KEYFRAMES))

MOTION = motion_scene(SEED, 0, verbs=["moving"], single=True)
CIRCLE = motion_scene(SEED, 1, verbs=["circling"], single=True)
LONG = motion_scene(SEED, 2, verbs=["spinning"], single=True, pace=1.0)
SOLID = turntable_scene(SEED, 3, still=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A sequence of the gallery.

    Args:
        name: of its files.
        title: its heading.
        told: a sentence about it.
        prompt: what is asked for.
        words: further arguments of ``filmgrid generate``.
        given: pictures that it starts from, shown before it.
    """

    name: str
    title: str
    told: str
    prompt: str
    words: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def say(scene: Scene, **changed: str) -> str:
    """Everything there is to say of the scene, with some words replaced."""
    turns = isinstance(scene, Turntable)
    said = full_turntable_caption(scene) if turns else full_caption(scene)
    for old, new in changed.items():
        assert old in said
        said = said.replace(old, new)
    return said


def entries() -> list[Entry]:
    """All that the gallery shows."""
    colour, shape = MOTION.things[0].colour, MOTION.things[0].shape
    other_colour = "orange" if colour != "orange" else "cyan"
    other_shape = "heart" if shape != "heart" else "star"
    return [
        Entry("text", "Text to sequence", "The default grid is 4x4, 16 frames.", say(MOTION)),
        Entry(
            "turntable", "Turntable", "24 views, 15 degrees apart.",
            say(SOLID), ("--layout", "4x6"),
        ),
        Entry(
            "image", "Image to sequence", "The given frame is the first, and stays bit for bit.",
            say(MOTION), ("--image", "motion-first.png"), ("motion-first.png",),
        ),
        Entry(
            "image-turntable", "Image to turntable", "All round from one view.",
            say(SOLID), ("--image", "solid-first.png", "--layout", "4x6"), ("solid-first.png",),
        ),
        Entry(
            "keyframes", "Interpolation", "Frames 0, 5, 10 and 15 are given, the others are made.",
            say(CIRCLE),
            tuple(
                word
                for cell in KEYFRAMES
                for word in ("--keyframe", f"{cell}=circle-{cell}.png")
            ),
            tuple(f"circle-{cell}.png" for cell in KEYFRAMES),
        ),
        Entry(
            "redraw", "Redraw some frames", "Frames 6 to 9 are made again, the others stay.",
            say(CIRCLE), ("--video", "circle.png", "--redraw", "6-9"), ("circle.png",),
        ),
        Entry(
            "deblur", "Restoration: blur", "Blur of 3 px, taken back from noise level 0.7.",
            say(MOTION), ("--video", "blurred.png", "--sigma", "0.7"), ("blurred.png",),
        ),
        Entry(
            "blocks", "Restoration: hidden blocks", "30 % of every frame is hidden, elsewhere in "
            "each.",
            say(MOTION), ("--video", "hidden.png", "--sigma", "0.7"), ("hidden.png",),
        ),
        Entry(
            "recolour", "Editing: another colour", "One word of the prompt is another.",
            say(MOTION, **{colour: other_colour}),
            ("--video", "motion.png", "--sigma", "0.9"), ("motion.png",),
        ),
        Entry(
            "reshape", "Editing: another shape", "One word of the prompt is another.",
            say(MOTION, **{shape: other_shape}),
            ("--video", "motion.png", "--sigma", "0.9"), ("motion.png",),
        ),
        Entry(
            "extend", "Longer", "The given 16 frames go on to 32, in a grid never trained on.",
            say(LONG), ("--video", "long.png", "--task", "extend", "--layout", "4x8"),
            ("long.png",),
        ),
        Entry(
            "long", "64 frames", "One 8x8 grid.", say(CIRCLE), ("--layout", "8x8"),
        ),
        Entry(
            "still", "A single image", "A 1x1 grid, enlarged four times by the shipped upscaler.",
            "a 3D model of a red mug with a white handle", ("--layout", "1x1", "--upscale", "4"),
        ),
    ]  # fmt: skip


def write_given(folder: Path) -> None:
    """Draw what is given to the model: true frames of the scenes, some of them degraded."""
    motion, circle, long, solid = (
        render([scene], frames, CellSize(64, 64))[0].numpy()
        for scene, frames in ((MOTION, 16), (CIRCLE, 16), (LONG, 16), (SOLID, 24))
    )
    hidden = hide_blocks(motion, random_of(SEED, 0, 2))
    for name, frames in {
        "motion": motion, "circle": circle, "long": long,
        "blurred": blur(motion), "hidden": hidden,
    }.items():  # fmt: skip
        write(frames, folder / f"{name}.png", Layout.parse("4x4"))
    write(motion[:1], folder / "motion-first.png")
    write(solid[:1], folder / "solid-first.png")
    for cell in KEYFRAMES:
        write(circle[cell : cell + 1], folder / f"circle-{cell}.png")


def write(frames: FrameArray, out: Path, layout: Layout | None = None, scale: int = 1) -> None:
    """Save a sequence that no request has made."""
    told = Provenance(versions=current_versions())
    save_sequence(frames, out, fps=FPS, provenance=told, layout=layout, scale=scale)


def make(entry: Entry, docs: Path) -> str:
    """Generate an entry; its grid, the same in motion, and its part of the page."""
    folder = docs / PICTURES
    command = ["generate", entry.prompt, *entry.words]
    made, moving = f"{entry.name}-made.png", f"{entry.name}.webp"
    filmgrid([*_placed(command, folder), "--out", str(folder / made)])
    pictures = [made]
    if "1x1" not in command:
        write(read_grid(folder / made).frames, folder / moving, scale=SCALE)
        pictures.append(moving)
    shown = [(name, "given") for name in entry.given]
    shown += zip(pictures, ("made", "moving"), strict=False)
    cells = [
        f'<td align="center"><img src="{PICTURES}/{name}" width="{SMALL if name in ONE else 256}">'
        f"<br>{what}</td>"
        for name, what in shown
    ]
    told = shlex.join(_placed(command, folder))
    return "\n".join(
        [
            f"## {entry.title}",
            "",
            entry.told,
            "",
            f"```\nfilmgrid {told} --out {entry.name}.png\n```",
            "",
            f"<table><tr>{''.join(cells)}</tr></table>",
        ]
    )


def _placed(words: Sequence[str], folder: Path) -> list[str]:
    """The words of a command with its pictures found in this folder."""

    def placed(word: str) -> str:
        cell, equals, name = word.rpartition("=")
        return f"{cell}{equals}{folder / name}" if name.endswith(".png") else word

    return [placed(word) for word in words]


def main(docs: str) -> None:
    """Make the page in this folder, and its pictures beside it."""
    folder = Path(docs) / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    write_given(folder)
    parts = [
        "# Gallery",
        "`make gallery` makes this page anew, from the model in this package: seed 0, the usual "
        "steps, one to five seconds a sequence on two CPU cores. What is given to it are the "
        "first scenes of a seed that fit, neither chosen nor left out for what became of them. "
        "The commands can be run in a checkout as they stand.",
        *(make(entry, Path(docs)) for entry in entries()),
    ]
    (Path(docs) / "gallery.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
