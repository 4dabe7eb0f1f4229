"""What a figure is: sequences asked of a model, judged one by one, and bars for the sum."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from filmgrid.bars.config import BarsConfig
from filmgrid.data.world.source import Scene
from filmgrid.grid.spec import CellSize
from filmgrid.models.facts import BackboneFacts
from filmgrid.types import FrameArray

Readings = dict[str, float]
"""What was read off one sequence: 1 or 0 for right or wrong, or a measure; NaN counts nowhere."""

How = Literal["share", "mean", "median", "90th percentile", "points"]


class Row(NamedTuple):
    """One line of the table.

    Args:
        reading: which reading it sums up.
        what: in words.
        gpu: bar of a model that a GPU was spent on; None if nothing is asked.
        cpu: bar of a model trained on a CPU.
        how: what is made of the readings of all sequences; shares and points are in percent.
        unit: of the value.
        at_most: the bar is an upper one.
    """

    reading: str
    what: str
    gpu: float | None = None
    cpu: float | None = None
    how: How = "share"
    unit: str = "%"
    at_most: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One sequence that a model is asked for.

    Args:
        scene: what it should show.
        words: what a generator is called with.
        truth: its true frames.
        given: frames that it starts from, where there are any.
    """

    scene: Scene
    words: Mapping[str, Any]
    truth: FrameArray
    given: FrameArray | None = None


@dataclass(frozen=True)
class Setup:
    """A model that is measured.

    Args:
        config: how.
        facts: what the model states about itself.
        open: loads it; called once, and only if something is still to be made.
        place: the model's name or folder, for processes of their own.
    """

    config: BarsConfig
    facts: BackboneFacts
    open: Callable[[], Any] = field(repr=False)
    place: str = "mini"

    @cached_property
    def generator(self) -> Any:
        """A :class:`~filmgrid.generator.Generator`, or what can be called like one."""
        return self.open()

    @property
    def cell(self) -> CellSize:
        """Frames are judged in the size that the model makes."""
        return self.facts.default_cell

    def words(self, prompt: str, layout: str, number: int, **given: Any) -> dict[str, Any]:
        """Call of the generator for the sequence of this number."""
        asked = {
            "num_inference_steps": self.config.steps,
            "guidance_scale": self.config.guidance,
            **given,
        }
        said = {name: value for name, value in asked.items() if value is not None}
        seed = self.config.seed * 1_000_003 + number
        return {"prompt": prompt, "layout": layout, "seed": seed, **said}


class Figure(Protocol):
    """A figure; ``run`` gives the readings of one sequence, as made and of the true frames."""

    @property
    def name(self) -> str:
        """For ``--only``."""
        ...

    @property
    def rows(self) -> Sequence[Row]:
        """Lines of the table."""
        ...

    @property
    def full(self) -> int:
        """Sequences in a full evaluation."""
        ...

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings, besides the usual ones, that change it."""
        ...

    def unfit(self, facts: BackboneFacts) -> str:
        """Why the model was not trained for it, in a sentence; empty if it was."""
        ...

    def run(self, setup: Setup, number: int) -> tuple[Readings, Readings]:
        """Make the sequence of this number and read it, and its true frames beside it."""
        ...


@dataclass(frozen=True)
class Sequences:
    """A figure of sequences that are drawn, made and judged.

    Args:
        name: for ``--only``.
        rows: lines of the table.
        draw: the sequence of a number.
        judge: reads frames.
        layouts: that the model must have been trained on.
        reads: whether it must read prompts.
        full: sequences in a full evaluation.
        settings: names of the settings, besides the usual ones, that change it.
    """

    name: str
    rows: Sequence[Row]
    draw: Callable[[Setup, int], Ask]
    judge: Callable[[Ask, FrameArray], Readings]
    layouts: tuple[str, ...] = ("4x4",)
    reads: bool = True
    full: int = 100
    settings: tuple[str, ...] = ()

    def unfit(self, facts: BackboneFacts) -> str:
        """Why the model was not trained for it, in a sentence; empty if it was."""
        trained = ", ".join(facts.trained_layouts)
        for layout in self.layouts:
            if layout not in facts.trained_layouts:
                return f"{facts.name} was trained on {trained} and not on {layout}."
        if self.reads and not facts.has_text:
            return f"{facts.name} was trained without captions and does not read prompts."
        return ""

    def run(self, setup: Setup, number: int) -> tuple[Readings, Readings]:
        """Make the sequence of this number and read it, and its true frames beside it."""
        ask = self.draw(setup, number)
        made = setup.generator(**ask.words).arrays[0]
        return self.judge(ask, made), self.judge(ask, ask.truth)
