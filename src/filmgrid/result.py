"""Generated sequences, and how they are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmgrid.data.export import save_sequence
from filmgrid.data.mosaics import pack_image
from filmgrid.data.pictures import to_picture
from filmgrid.data.provenance import Provenance, current_versions
from filmgrid.grid.spec import Layout
from filmgrid.metrics.health import HealthReport
from filmgrid.walking import Frames8


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Generated sequences, the best first.

    Args:
        arrays: frames as 8-bit sRGB.
        layout: of the grid that each was made as.
        seeds: of each sequence.
        health: of each sequence.
        fps: frames per second to show them at.
        request: what was asked for with every choice made, as files carry it.
        model_version: name of the model and how long it was trained.
        times: seconds from the first frame to each, of an edited clip whose frames are unevenly
            apart.
    """

    arrays: Frames8
    layout: Layout
    seeds: tuple[int, ...]
    health: tuple[HealthReport, ...]
    fps: float
    request: Mapping[str, Any]
    model_version: str
    times: tuple[float, ...] | None = None

    @property
    def frames(self) -> list[list[Any]]:
        """Frames as Pillow images, one list per sequence."""
        return [[to_picture(frame) for frame in sequence] for sequence in self.arrays]

    @property
    def grids(self) -> list[Any]:
        """Each sequence as one Pillow image."""
        return [to_picture(pack_image(sequence, self.layout)) for sequence in self.arrays]

    def save(
        self, out: Path | str, index: int = 0, *, fps: float | None = None, scale: int = 1
    ) -> list[Path]:
        """Write one sequence; the name chooses the format, as ``filmgrid generate --out`` does.

        Args:
            out: file, or a folder for numbered PNG frames.
            index: which sequence.
            fps: frames per second; by default the result's.
            scale: integer enlargement without smoothing, to look at small frames.

        Raises:
            ConfigError: if the suffix is unknown.
            MediaError: if it cannot be written.
        """
        told = {**self.request, "seed": self.seeds[index]}
        told.pop("best_of", None)  # the seed alone makes this one again
        return save_sequence(
            self.arrays[index],
            out,
            fps=fps or self.fps,
            provenance=Provenance(
                layout=str(self.layout),
                request=told,
                versions={**current_versions(), "model": self.model_version},
            ),
            layout=self.layout,
            scale=scale,
            times=None if fps else self.times,
        )
