"""Read a turntable off its frames: kind, colours, sense of rotation, act, and whether it closes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.turntables import HOP, LEAST_SIZE, NUM_HOPS, Turntable, hides_a_colour
from filmgrid.data.world.words import COLOURS, TURNS
from filmgrid.evaluation.judges.silhouettes import DARKEST, hull_overlap, silhouettes
from filmgrid.evaluation.judges.turntable_templates import (
    NUM_VIEWS,
    Templates,
    Windows,
    templates,
    view_numbers,
    windows_of,
)
from filmgrid.types import FrameArray

ASPECT_WEIGHT = 0.6
"""Of a wrong ratio of width and height, against wrong pixels."""
CLOSES_BELOW = 1.7
"""Step from the last frame to the first, in steps beside it."""
PUREST_SHARE = 0.3
"""Of the pixels that show a part: those that colours are read from."""
LEAST_STEADINESS = 0.6
"""Of a turn that is whole."""
STEADY_FACTOR = 1.15
"""How much less than the best view a frame may look like its own."""
LEAST_AREA = 6.0
"""Pixels of silhouette below which a frame shows nothing."""


@dataclass(frozen=True, slots=True)
class TurntableSeen:
    """What frames show.

    Args:
        kind: a name of ``KINDS``.
        colours: of the main part and of the second.
        turn: a name of ``TURNS``, of the thing as seen from above.
        act: a name of ``ACTS``.
        first_degrees: how far the thing has turned clockwise in the first frame, in [0, 360).
        misfit: share of the frames' energy that the kind does not explain, 0 at best, with
            what its proportions are wrong by.
        steadiness: share of the frames that look about as much like the view that they should
            show by their turn as like any other view.
        closing: step from the last frame to the first, in the steps beside it; about 1 if the
            turn is whole.
    """

    kind: str
    colours: tuple[str, str]
    turn: str
    act: str
    first_degrees: float
    misfit: float
    steadiness: float
    closing: float

    @property
    def closes(self) -> bool:
        """Whether the turn is whole: every side has its turn, and the last leads to the first."""
        return self.closing < CLOSES_BELOW and self.steadiness >= LEAST_STEADINESS


def judge_turntable(frames: FrameArray) -> TurntableSeen | None:
    """Say what a turntable on black shows; nothing if most of its frames are empty.

    Args:
        frames: of one full turn, such as 24 of 64 px.
    """
    masks = torch.from_numpy(silhouettes(frames)).float()
    if float((masks.sum((1, 2)) >= LEAST_AREA).float().mean()) < 0.5:
        return None
    pixels = torch.from_numpy(frames).float().movedim(-1, 1)
    windows = windows_of(pixels, masks)
    known = templates()
    fits = _fits(windows, known)
    kind, turn, shift = (int(place) for place in np.unravel_index(fits.argmin(), fits.shape))
    views = (view_numbers(len(frames), (1, -1)[turn]) + shift) % NUM_VIEWS
    colours = _colours(windows, known, kind, views)
    return TurntableSeen(
        list(KINDS)[kind],
        colours,
        list(TURNS)[turn],
        _act(windows, known, kind, views),
        shift * 360 / NUM_VIEWS,
        float(fits.min()),
        _steadiness(windows, known, kind, views, colours),
        closing_step(frames),
    )


def judge_still(frame: FrameArray) -> tuple[str, tuple[str, str]] | None:
    """Kind and colours of one view, from any side; nothing if it is empty.

    Args:
        frame: one frame, as a sequence of length 1.
    """
    seen = judge_turntable(frame)
    return None if seen is None else (seen.kind, seen.colours)


def closing_step(frames: FrameArray) -> float:
    """Mean absolute step from the last frame to the first, in the largest of the four beside it."""
    around = np.concatenate([frames, frames[:1]]).astype(np.float32)
    steps = np.abs(np.diff(around, axis=0)).mean((1, 2, 3))
    beside = steps[:-1][[0, 1, -2, -1]] if len(frames) > 5 else steps[:-1]
    return float(steps[-1] / max(1e-6, beside.max(initial=0))) if len(frames) > 1 else 1.0


def compare_turntable(scene: Turntable, seen: TurntableSeen | None) -> dict[str, bool]:
    """Which words of the scene the frames show."""
    if seen is None:
        return dict.fromkeys(("kind", "colour", "second colour", "turn", "act"), False)
    return {
        "kind": seen.kind == scene.kind,
        "colour": seen.colours[0] == scene.colours[0],
        "second colour": seen.colours[1] == scene.colours[1],
        "turn": seen.turn == scene.turn,
        "act": seen.act == scene.act,
    }


def kept_views(scene: Turntable, frames: FrameArray) -> float:
    """Share of the views that show the scene's kind and colours, each view judged by itself.

    Colours do not count in the views that hide one of them.
    """
    kept = []
    for degrees, frame in zip(scene.degrees(len(frames)), frames, strict=True):
        seen = judge_still(frame[None])
        hidden = hides_a_colour(scene.kind, float(degrees))
        kept.append(
            seen is not None and seen[0] == scene.kind and (hidden or seen[1] == scene.colours)
        )
    return float(np.mean(kept))


def judge_hull(frames: FrameArray, seen: TurntableSeen) -> float:
    """IoU of the silhouettes with those of their visual hull; for things that stand still."""
    return hull_overlap(frames, seen.turn)


def _products(windows: Windows, known: Templates) -> dict[str, Tensor]:
    """Everything that the squared error against any colouring is made of, summed over pixels."""
    shown = windows.pixels
    over = known.fixed
    return {
        # The frame less the fixed parts: |y - F|^2 for every kind, view and frame.
        "rest": (shown**2).sum((1, 2))
        - 2 * torch.einsum("kvcp,ncp->kvn", over, shown)
        + (over**2).sum((2, 3))[..., None],
        "part": torch.einsum("kvqp,ncp->kvnqc", known.parts, shown)
        - torch.einsum("kvqp,kvcp->kvqc", known.parts, over)[:, :, None],
        "gram": torch.einsum("kvqp,kvrp->kvqr", known.parts, known.parts),
    }


def _fits(windows: Windows, known: Templates) -> Float[np.ndarray, "kinds turns shifts"]:
    """Misfit of every kind, sense and first view, with the best free colours."""
    products = _products(windows, known)
    count = len(windows.pixels)
    frames = torch.arange(count)
    energy = float((windows.pixels**2).sum())
    aspect = (windows.spreads[:, 1] / windows.spreads[:, 0]).log()
    known_aspect = (known.spreads[..., 1] / known.spreads[..., 0]).log()
    result = []
    for turn in (1, -1):
        shifts = torch.arange(NUM_VIEWS)
        views = (torch.from_numpy(view_numbers(count, turn)) + shifts[:, None]) % NUM_VIEWS
        rest = products["rest"][:, views, frames].sum(-1)
        part = products["part"][:, views, frames].sum(2)
        gram = products["gram"][:, views].sum(2)
        gram = (
            gram + 1e-3 * torch.eye(2) * gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        )
        explained = (torch.linalg.solve(gram, part) * part).sum((-2, -1))
        apart = known_aspect[:, views] - aspect
        apart = apart - apart.mean(-1, keepdim=True).clamp(-0.2, 0.2)  # how kinds are stretched
        result.append((rest - explained) / energy + ASPECT_WEIGHT * apart.abs().mean(-1))
    return torch.stack(result, 1).numpy()


def _colours(windows: Windows, known: Templates, kind: int, views: np.ndarray) -> tuple[str, str]:
    """The named colour nearest in hue and saturation to each part, where it is purest."""
    parts, fixed = known.parts[kind, views], known.fixed[kind, views]
    palette = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    palette = palette / palette.norm(dim=-1, keepdim=True)
    pixels = windows.pixels.movedim(1, -1).flatten(0, 1)
    length = pixels.norm(dim=-1)
    share = parts.movedim(1, -1).flatten(0, 1)
    others = share.sum(-1) + fixed.amax(1).flatten() / 255
    names = []
    for part in (0, 1):
        purity = share[:, part] ** 2 / others.clamp(min=1e-6)
        purity = torch.where(length > DARKEST, purity, torch.zeros(()))
        purest = purity >= purity.quantile(1 - PUREST_SHARE * float((purity > 0).float().mean()))
        alike = (pixels[purest] / length[purest, None]) @ palette.T
        names.append(list(COLOURS)[int(alike.clamp(-1, 1).acos().median(0).values.argmin())])
    return names[0], names[1]


def _steadiness(
    windows: Windows, known: Templates, kind: int, views: np.ndarray, colours: tuple[str, str]
) -> float:
    """Share of the frames that look about as much like the view of their turn as like any."""
    palette = torch.tensor([COLOURS[name] for name in colours], dtype=torch.float32)
    painted = torch.einsum("vqp,qc->vcp", known.parts[kind], palette) + known.fixed[kind]
    apart = torch.cdist(windows.pixels.flatten(1), painted.flatten(1)).numpy()
    near = [apart[np.arange(len(views)), (views + step) % NUM_VIEWS] for step in (-1, 0, 1)]
    return float((np.min(near, 0) <= STEADY_FACTOR * apart.min(1)).mean())


def _act(windows: Windows, known: Templates, kind: int, views: np.ndarray) -> str:
    """Whether the thing grows, shrinks, hops or keeps its place."""
    count = len(views)
    if count < 8:
        return "standing still"
    ratio = (windows.spreads / known.spreads[kind, views]).log().mean(-1).numpy()
    done = np.arange(count) / (count - 1)
    growth = np.polyfit(done, ratio, 1)[0]
    if abs(growth) > -np.log(LEAST_SIZE) / 2:
        return "growing" if growth > 0 else "shrinking"
    height = (known.middles[kind, views, 1] - windows.middles[:, 1]).numpy()
    hop = np.abs(np.sin(np.pi * NUM_HOPS * np.arange(count) / count))
    amount = np.polyfit(hop, height, 1)[0]  # frames are about 1.7 world units high
    return "hopping" if amount > 0.5 * HOP / 0.83 else "standing still"
