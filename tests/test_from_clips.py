"""The whole way on a FLUX-class model, at a size for a laptop."""

import importlib.util
import json
from pathlib import Path

import numpy as np

from filmgrid.data.export import save_sequence
from filmgrid.data.media import probe
from filmgrid.data.provenance import Provenance
from tests.captioning.server import ANSWER, served

SCRIPT = Path(__file__).parents[1] / "examples" / "from_clips.py"


def script():
    spec = importlib.util.spec_from_file_location("from_clips", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_clips_become_captions_a_lora_in_two_stages_and_every_task(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(2):
        wall = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        frames = np.stack([np.roll(wall, 2 * index, 1) for index in range(9)])
        save_sequence(
            frames, tmp_path / "clips" / f"{number}.mp4", provenance=Provenance(kind="sequence")
        )

    def answer(_, body):
        fine = "response_format" in body
        return json.dumps(ANSWER) if fine else "A ball before a wall."

    with served(answer) as (place, seen):
        words = {"clips": tmp_path / "clips", "work": tmp_path / "work", "model": "tiny"}
        module = script()
        asked = module.Asked(
            **words, caption_model="vlm", base_url=place, layout="2x2", cells=(16, 32),
            steps=(2, 1), rank=2, sampling_steps=2,
        )  # fmt: skip
        made = module.main(asked)
        told = capsys.readouterr().out
        count = len(seen.bodies)
        assert count == 4
        again = module.main(asked)
        assert len(seen.bodies) == count
    assert made == again and len(made) == 7
    assert told.count("\nfilmgrid generate") == 7
    frames = {path.stem: probe(path).num_frames for path in made if path.suffix == ".mp4"}
    assert frames == dict.fromkeys(("image", "between", "redraw", "edit", "restore"), 4) | {
        "extend": 6
    }
