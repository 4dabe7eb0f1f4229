"""Tables of positions of DiT and GriDiT."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.grid.spec import Layout

POSITIONS = "positions.safetensors"
"""Beside the weights: diffusers makes its table of rows and columns anew and saves none."""


def place_positions(network: Any, folder: Path) -> None:
    """Give a network the table that lies beside its weights, if one does.

    Raises:
        CheckpointError: if it is damaged.
    """
    path = folder / POSITIONS
    if not path.is_file():
        return
    old = network.pos_embed.pos_embed
    try:
        table = load_file(path)["table"][None]
        network.pos_embed.pos_embed = table.to(old).reshape(old.shape)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged. Import the checkpoint again.") from error


def save_positions(network: Any, folder: Path) -> None:
    """Write a network's table beside its weights."""
    save_file({"table": network.pos_embed.pos_embed[0].detach().contiguous()}, folder / POSITIONS)


def frame_table(width: int, side: int, layout: Layout) -> Float[Tensor, "tokens width"]:
    """GriDiT's table of frames in the order of the tokens: a third each for frame, row, column.

    Args:
        width: of the network, a multiple of 6.
        side: tokens along each side of the grid.
        layout: of the frames in it.

    Raises:
        ConfigError: if the frames do not divide the tokens, or thirds the width.
    """
    if side % layout.rows or side % layout.cols or width % 6:
        raise ConfigError(
            f"A {layout} grid does not divide {side}x{side} tokens of width {width} into frames. "
            "Use a layout that does, or positions 2d."
        )
    third = width // 3
    frame = _sines(torch.arange(layout.num_cells), third)
    row = _sines(torch.arange(side // layout.rows), third)
    col = _sines(torch.arange(side // layout.cols), third)
    places = torch.cartesian_prod(
        torch.arange(layout.rows),
        torch.arange(side // layout.rows),
        torch.arange(layout.cols),
        torch.arange(side // layout.cols),
    )
    number = places[:, 0] * layout.cols + places[:, 2]
    return torch.cat([frame[number], row[places[:, 1]], col[places[:, 3]]], dim=1)


def _sines(at: Tensor, width: int) -> Float[Tensor, "n width"]:
    """Sines, then cosines, of falling frequencies."""
    frequency = 10000 ** -(torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angle = at.double()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()
