"""What was judged is kept, one line a sequence, so that a run that was stopped goes on."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from filmgrid.bars.figure import Figure, Readings, Setup
from filmgrid.data.files import writing
from filmgrid.errors import MediaError

RULES = 1
"""Raise it when scenes or judges change: what was judged before is then judged anew."""
BESIDES = ("steps", "guidance", "seed", "device", "precision")
"""Settings that change the frames of every figure."""


class Judged(NamedTuple):
    """Readings of one sequence, as made and of its true frames."""

    made: Readings
    real: Readings


class Kept:
    """The lines of a work folder.

    Args:
        folder: made when the first line is written; one file for each figure.
        weights: SHA-256 of the model.
    """

    def __init__(self, folder: Path, weights: str) -> None:
        self.folder, self.weights = folder, weights
        self._known: dict[str, dict[str, Judged]] = {}

    def find(self, figure: Figure, setup: Setup, number: int) -> Judged | None:
        """What was judged before, under the same weights and settings."""
        if figure.name not in self._known:
            self._known[figure.name] = self._read(figure.name)
        return self._known[figure.name].get(self._key(figure, setup, number))

    def add(self, figure: Figure, setup: Setup, number: int, judged: Judged) -> None:
        """Write a line.

        Raises:
            MediaError: if it cannot be written.
        """
        key = self._key(figure, setup, number)
        told = {"key": key, "figure": figure.name, "scene": number, **judged._asdict()}
        path = self._path(figure.name)
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                # A run that was killed may have left half a line, which this one must not join.
                file.write(f"\n{json.dumps(told)}\n".encode())
        self._known.setdefault(figure.name, {})[key] = judged

    def _read(self, name: str) -> dict[str, Judged]:
        try:
            lines = self._path(name).read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise MediaError(
                f"{self._path(name)} cannot be read: {error.strerror or error}. Name another "
                "folder with --work."
            ) from error
        known = {}
        for line in lines:
            try:
                told = json.loads(line)
                known[told["key"]] = Judged(told["made"], told["real"])
            except (ValueError, KeyError, TypeError):
                continue  # empty, or half a line of a run that was killed
        return known

    def _key(self, figure: Figure, setup: Setup, number: int) -> str:
        """What the frames of a sequence, and what is read off them, depend on."""
        facts = setup.facts
        defaults = facts.model_dump(
            mode="json", include={"cell", "num_steps", "guidance_scale", "shift", "wording"}
        )
        settings = {name: getattr(setup.config, name) for name in (*BESIDES, *figure.settings)}
        threads: Any = torch.get_num_threads() if figure.name == "speed" else None
        told = [RULES, self.weights, figure.name, number, defaults, settings, threads]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


def weights_of(folder: Path) -> str:
    """SHA-256 over the weights of a model and the architecture that reads them.

    Raises:
        MediaError: if they cannot be read.
    """
    total = hashlib.sha256()
    for path in [*sorted(folder.glob("*.safetensors")), folder / "config.json"]:
        try:
            total.update(path.read_bytes())
        except OSError as error:
            raise MediaError(
                f"{path} cannot be read: {error.strerror or error}. Copy the whole model again."
            ) from error
    return total.hexdigest()
