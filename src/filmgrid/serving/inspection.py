"""Looks into a file that somebody sent, in a process of its own: ``python -m`` this module.

Decoders are large and the file may be hostile. Here it can crash, hang or fill the memory, and
takes no server with it. Speaks JSON on standard output.
"""

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

from filmgrid.errors import FilmgridError, MediaError

CHUNK = 64
"""Frames that are decoded at a time for those who want to see one."""
THUMB_SIDE = 256
MEMORY = 8 * 2**30
"""Address space of the process."""


def ask(words: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Have something looked into, elsewhere.

    Args:
        words: what :func:`main` is told.
        seconds: that it may take.

    Raises:
        MediaError: if the file is refused; the path stands in the message.
    """
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = json.dumps({**words, "seconds": seconds})
    try:
        done = subprocess.run(
            command, input=told, capture_output=True, text=True, timeout=seconds, env=environment
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise MediaError(
            f"{words['path']} takes longer than {seconds:g} s to read. Make it shorter or smaller."
        ) from error
    except ValueError as error:
        raise MediaError(
            f"{words['path']} cannot be read: its decoder crashed or filled the memory. Convert "
            "it with another program first."
        ) from error
    if "error" in answer:
        raise MediaError(answer["error"])
    return answer


def main() -> None:
    """Read words from standard input and answer them."""
    words = json.load(sys.stdin)
    _limit(words["seconds"])
    path = Path(words["path"])
    try:
        if words["do"] == "look":
            told = look(path, Path(words["thumb"]), words["pixels"], words["frames"])
        else:
            told = draw(path, Path(words["out"]), words["first"], words["grid"])
    except FilmgridError as error:
        told = {"error": str(error)}
    print(json.dumps(told))


def look(path: Path, thumb: Path, pixels: int, frames: int) -> dict[str, Any]:
    """Say what a file or a folder of pictures holds, and draw its first frame small.

    Raises:
        MediaError: if it is no picture and no clip, or larger than allowed.
    """
    from filmgrid.data.media import iter_frames, probe, read_grid

    info = probe(path)
    if info.height * info.width > pixels:
        raise MediaError(
            f"{path} has {info.height}x{info.width} pixels, and frames here may have {pixels}. "
            "Make it smaller first."
        )
    told, layout = info.provenance, None
    height, width, num_frames, fps = info.height, info.width, info.num_frames, info.fps
    if told is not None and told.kind in ("grid", "sprites") and told.grid is not None:
        shown = read_grid(path).frames
        num_frames, height, width = shown.shape[:3]
        layout, fps, first = told.layout, told.fps, shown[0]
    else:
        if num_frames is None or info.kind == "frames":  # counting reads, and looks at each
            num_frames = 0
            for num_frames, _ in zip(count(1), iter_frames(path), strict=False):
                if num_frames > frames:
                    break
        first = next(iter_frames(path, stop=1))
    if num_frames > frames:
        raise MediaError(
            f"{path} has more than {frames} frames, the most that are taken here. Cut it first."
        )
    write_thumb(first, thumb)
    kind = "image" if info.kind == "image" and layout is None else "clip"
    found = {"kind": kind, "num_frames": num_frames, "height": height, "width": width}
    return {**found, "fps": fps, "layout": layout}


def draw(path: Path, out: Path, first: int, grid: bool) -> dict[str, Any]:
    """Write some frames of a clip as PNG, from one on, into a folder.

    Raises:
        MediaError: if they cannot be read.
    """
    from filmgrid.data.files import atomic_path
    from filmgrid.data.media import iter_frames, read_grid
    from filmgrid.data.pictures import to_png

    if grid:
        frames = iter(read_grid(path).frames[first : first + CHUNK])
    else:
        frames = iter_frames(path, start=first, stop=first + CHUNK)
    number = first
    for number, frame in enumerate(frames, start=first):
        with atomic_path(out / f"{number:05d}.png") as part:
            part.write_bytes(to_png(frame))
    return {"last": number}


def write_thumb(frame: Any, path: Path, side: int = THUMB_SIDE) -> None:
    """Write a picture, at most ``side`` pixels at its longest, as WebP."""
    from filmgrid.data.animations import encode_webp
    from filmgrid.data.files import atomic_path
    from filmgrid.data.pictures import with_longest_side

    if max(frame.shape[:2]) > side:
        frame = with_longest_side(frame, side)
    with atomic_path(path) as part:
        part.write_bytes(encode_webp(frame[None], 1.0, quality=80))


def _limit(seconds: float) -> None:
    try:
        import resource
    except ImportError:  # Windows has none; the time limit holds there too
        return
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, int(seconds) * 4 + 4)):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
