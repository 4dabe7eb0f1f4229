"""The moving picture of the README: eight prompts, one sequence each, side by side.

python examples/contact_sheet.py docs/images/demo.webp
"""

import sys
from pathlib import Path

import numpy as np

from filmgrid import Generator
from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance

PROMPTS = (
    "a red circle moving right on a navy background",
    "a yellow star moving down on a black background",
    "a purple square growing on a grey background",
    "a green triangle moving left on a brown background",
    "a white square moving up and right on a navy background",
    "a purple star moving down and left on a grey background",
    "a white circle moving up on a black background",
    "a blue star shrinking on a brown background",
)
SCALE, GAP, ROWS = 4, 6, 2


def main(out: str) -> None:
    generator = Generator.from_pretrained("mini")
    made = [generator(prompt, seed=0).arrays[0] for prompt in PROMPTS]
    large = [frames.repeat(SCALE, axis=1).repeat(SCALE, axis=2) for frames in made]
    framed = [
        np.pad(frames, ((0, 0), (GAP, 0), (GAP, 0), (0, 0)), constant_values=255)
        for frames in large
    ]
    per_row = len(PROMPTS) // ROWS
    rows = [np.concatenate(framed[i : i + per_row], axis=2) for i in range(0, len(framed), per_row)]
    sheet = np.concatenate(rows, axis=1)
    request = {"prompts": list(PROMPTS), "seed": 0, "model": "mini"}
    save_sequence(sheet, Path(out), fps=8.0, provenance=Provenance(request=request))


if __name__ == "__main__":
    main(*sys.argv[1:])
