"""The one call that samplers and trainers make."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.models.facts import BackboneFacts

Condition = Mapping[str, Tensor]
"""Encoded prompts: named tensors whose first axis is the sequence."""


class Backbone(ABC):
    """A network that knows the velocity of noisy cells under a prompt.

    It says what the velocity is and nothing about how to walk along it: samplers do that.
    Networks that predict noise or clean latents are adapted to velocity inside.

    Attributes:
        facts: what it states about itself.
        module: the network with its weights; the only part that trains.
        autocasts: whether the weights are kept in 32 bits and multiplied in fewer; networks with
            weights in the dtype of the products are called as they are.
    """

    facts: BackboneFacts
    module: nn.Module
    autocasts: bool = True
    cell_by_cell: bool = False
    image_first: bool = False

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> Condition:
        """Encode one prompt per sequence; ``""`` is the null condition that guidance needs.

        Raises:
            ConfigError: if a prompt is longer than the model reads.
        """

    def check(self, prompts: Sequence[str]) -> None:
        """Refuse prompts that are too long, as :meth:`encode` does.

        Raises:
            ConfigError: if a prompt is longer than the model reads.
        """
        self.encode(prompts)

    def collate(
        self, conditions: Sequence[Condition], device: torch.device | None = None
    ) -> Condition:
        """Conditions of some sequences as those of one batch, shorter ones filled up with zeros.

        Args:
            conditions: from :meth:`encode`.
            device: where it is wanted, if elsewhere.
        """
        return {
            name: _joined([each[name] for each in conditions]).to(device) for name in conditions[0]
        }

    @abstractmethod
    def blank(self, count: int) -> Condition:
        """Encoded prompts of full length that say nothing, on the device of the weights.

        What a pass costs can be counted with them, without any encoder.
        """

    @abstractmethod
    def velocity(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c h w"]:
        """Predict ``noise - clean``.

        Args:
            noisy: cells in latent units, in reading order.
            sigma: noise level of each cell, in [0, 1]. Backbones whose facts deny
                ``per_cell_sigma`` get the same number for all cells of a sequence.
            condition: from :meth:`encode`, one entry per sequence; where guidance is embedded,
                with its scale as ``guidance``, a number per sequence.
            layout: how the cells stand in their grid.
        """

    def noise(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c2 h w"]:
        """Predict noise and then, in as many channels, where the variance of a step back lies.

        Of networks whose facts say that they predict noise; IDDPM trains them by it.

        Args:
            noisy: as for :meth:`velocity`.
            sigma: noise level of each cell, that of a timestep.
            condition: from :meth:`encode`.
            layout: how the cells stand in their grid.

        Raises:
            ConfigError: if this network predicts no noise.
        """
        raise ConfigError(
            f"{self.facts.name} predicts {self.facts.predicts} and no noise. Train it with the "
            "objective flow."
        )

    @abstractmethod
    def begin(self) -> None:
        """Forget what was remembered of the sampling before; called before each."""

    @abstractmethod
    def with_module(self, module: nn.Module) -> Self:
        """The same backbone over another network, such as a compiled or distributed one."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> None:
        """Write weights, configuration and facts into a folder."""


def _joined(parts: Sequence[Tensor]) -> Tensor:
    if len({part.shape[1:] for part in parts}) == 1:
        return torch.cat(list(parts))
    return pad_sequence([row for part in parts for row in part], batch_first=True)
