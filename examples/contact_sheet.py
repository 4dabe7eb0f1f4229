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
    "a 3D model of a red mug with a white handle rotating clockwise",
    "a 3D model of a green tree with an orange trunk rotating anticlockwise",
    "a 3D model of a white house with a red roof rotating clockwise",
    "a 3D model of a blue car with a yellow roof rotating clockwise",
    "a 3D model of a white rocket with red fins rotating anticlockwise",
    "a 3D model of a yellow lamp with a blue shade rotating clockwise",
    "a 3D model of a purple table with green legs rotating anticlockwise",
    "a 3D model of a white snowman with an orange hat rotating clockwise",
)
SCALE, GAP, ROWS = 2, 6, 2


def main(out: str) -> None:
    generator = Generator.from_pretrained("mini")
    made = [generator(prompt, layout="4x6", seed=0).arrays[0] for prompt in PROMPTS]
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
