"""One network on several devices: every pass is shared, by diffusers' context parallel.

The process that asks keeps its part and starts a peer for each further device, which loads the
same weights. Of every call it tells the peers the shapes by a pipe and sends the tensors; then all
of them compute their share of the tokens and give each other what attention needs of the rest
(Ulysses). Only the network knows that it is shared: samplers, the service and long sequences ask
for velocities as ever. Peers go when the pipe closes, which it does with the process that asks.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn

from filmgrid.errors import ConfigError, SharingError
from filmgrid.loading import Loading

READY = b"ready\n"
"""What a peer says when it has loaded the network."""
PASS_S = 600.0
"""Seconds in which a pass must end."""
END_S = 20.0
"""Seconds that a peer has to go, before it is ended."""


class SharedNetwork(nn.Module):
    """A network that is called like its own, and computed together with its peers.

    Args:
        network: of diffusers; from now on it computes its own share alone.
        peers: that compute the others.
    """

    def __init__(self, network: nn.Module, peers: "Peers") -> None:
        super().__init__()
        self.network = network
        self.peers = peers
        split(network, len(peers.processes) + 1)

    @property
    def config(self) -> Any:
        """The network's own configuration."""
        return self.network.config

    def forward(self, **words: Any) -> Any:
        """Call the network, and let all peers do the same.

        Raises:
            ConfigError: if the tokens cannot be shared.
            SharingError: if one of them is no more.
        """
        self._check_tokens(words)
        try:
            self.peers.tell(words)
            return self.network(**words)
        except BaseException as error:
            # The others may wait within this pass for what will not come: no pass can follow it.
            try:
                self.peers.check(error)
            finally:
                self.peers.kill()
            if not isinstance(error, Exception):
                raise
            raise SharingError(
                f"A pass that processes share failed: {error}. Start again, or leave devices out."
            ) from error

    def _check_tokens(self, words: Mapping[str, Any]) -> None:
        """Gloo, which connects processes on CPUs, gathers parts of one size alone."""
        count = len(self.peers.processes) + 1
        for name in ("hidden_states", "encoder_hidden_states"):
            each = words[name]
            if each.device.type == "cpu" and each.shape[1] % count:
                raise ConfigError(
                    f"{each.shape[1]} tokens are not shared by {count} processes on a CPU, which "
                    "want equal parts. Use another layout or cell, or leave devices out."
                )


class Peers:
    """The processes beside this one.

    Args:
        folder: of the pipeline that this process has loaded.
        dtype: of the products.
        device: of this process.
        loading: how it was brought into memory.

    Raises:
        SharingError: if one of them ends before it has loaded its own.
    """

    def __init__(
        self, folder: Path, dtype: torch.dtype, device: torch.device, loading: Loading
    ) -> None:
        if dist.is_initialized():
            raise ConfigError(
                "This process is in a group of processes already, such as that of another model "
                "with devices. Use one such model, or leave devices out."
            )
        self.device, self.ended = device, False
        self._meeting = tempfile.TemporaryDirectory(prefix="filmgrid-peers-")
        told = {
            "model": str(folder),
            "dtype": str(dtype).removeprefix("torch."),
            "device": device.type,
            "loading": loading.model_copy(update={"devices": 1}).model_dump(mode="json"),
            "meeting": str(Path(self._meeting.name) / "meeting"),
            "count": loading.devices,
            "asking": os.getpid(),
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        atexit.register(self.close)
        try:
            for rank in range(1, loading.devices):
                self.processes.append(_launch({**told, "rank": rank}))
            for process in self.processes:
                assert process.stdout is not None
                if process.stdout.readline() != READY:
                    raise RuntimeError("a peer did not get ready")
            join(device, told["meeting"], loading.devices, 0)
        except (OSError, RuntimeError) as error:
            try:
                self.check(error)
            finally:
                self.close()
            raise

    def kill(self) -> None:
        """End the peers wherever they are."""
        self.ended = True
        for process in self.processes:
            process.kill()

    def tell(self, words: Mapping[str, Any]) -> None:
        """Send the arguments of a call.

        Raises:
            SharingError: if they were ended.
        """
        if self.ended:
            raise SharingError("The processes that share this model were ended. Load it again.")
        tensors = {name: each for name, each in words.items() if isinstance(each, Tensor)}
        shapes = {name: [_name(each.dtype), *each.shape] for name, each in tensors.items()}
        others = {name: each for name, each in words.items() if name not in tensors}
        for process in self.processes:
            _say(process, {"tensors": shapes, "others": others})
        for each in tensors.values():
            dist.broadcast(each.to(self.device).contiguous(), src=0)

    def check(self, error: BaseException) -> None:
        """Say so if something failed because a peer is no more.

        Raises:
            SharingError: if one is.
        """
        for process in self.processes:
            try:
                code = process.wait(1.0)
            except subprocess.TimeoutExpired:
                continue
            raise SharingError(
                f"A process that shares the passes of the model ended with {code}; what it said "
                "stands above. Start again, or leave devices out."
            ) from error

    def close(self) -> None:
        """Let the peers go."""
        atexit.unregister(self.close)
        for process in self.processes:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                try:
                    pipe.close()
                except BrokenPipeError:  # it is gone, and did not hear the last words
                    continue
        for process in self.processes:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if dist.is_initialized():
            dist.destroy_process_group()
        self._meeting.cleanup()


def _launch(told: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
    environment = dict(os.environ)
    if told["device"] == "cuda":
        known = environment.get("CUDA_VISIBLE_DEVICES", "")
        names = [each.strip() for each in known.split(",") if each.strip()]
        rank = told["rank"]
        environment["CUDA_VISIBLE_DEVICES"] = names[rank] if names else str(rank)
    process = subprocess.Popen(
        [sys.executable, "-m", "filmgrid.models.peer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    _say(process, told)
    return process


def _say(process: "subprocess.Popen[bytes]", told: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_shareable(
    network: type[nn.Module], name: str, device: torch.device, loading: Loading
) -> None:
    """Refuse what cannot be shared, before anything is loaded.

    Args:
        network: class of the network.
        name: of its model, for people.
        device: of this process.
        loading: what is asked for.

    Raises:
        ConfigError: if there are too few devices, or the network or another option cannot do so.
    """
    count = loading.devices
    if getattr(network, "_cp_plan", None) is None:
        raise ConfigError(
            f"The passes of {name} cannot be shared: diffusers has no context parallel for its "
            "kind. Leave devices out."
        )
    for option in ("offload", "step_cache"):
        if getattr(loading, option) != Loading.model_fields[option].default:
            raise ConfigError(
                f"{option} and devices {count} do not go together: every device holds the whole "
                "network and makes every step. Leave one of them out."
            )
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device.type, count)
    if there < count:
        raise ConfigError(f"devices {count} are asked for, and there are {there}. Use fewer.")


def join(device: torch.device, meeting: str, count: int, rank: int) -> None:
    """Join the group of processes that share a network.

    Args:
        device: of this process.
        meeting: a file that all of them know.
        count: processes.
        rank: of this one; 0 asks.
    """
    if device.type == "cpu":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=Path(meeting).as_uri(),
        world_size=count,
        rank=rank,
        timeout=timedelta(seconds=PASS_S),
    )


def split(network: Any, count: int) -> None:
    """Let a network compute its share of the tokens, whatever their number, in a group.

    Args:
        network: of diffusers, with a plan for it.
        count: processes in the group.
    """
    from diffusers import ContextParallelConfig  # pyright: ignore[reportPrivateImportUsage]

    config = ContextParallelConfig(ulysses_degree=count, ulysses_anything=True)
    with _counting_the_cpu():
        network.enable_parallelism(config=config)


@contextmanager
def _counting_the_cpu() -> Iterator[None]:
    """Let diffusers count the CPU as a device where there is no other.

    ``ModelMixin._resolve_parallel_config`` of 0.42.1 takes the rank modulo the number of
    accelerators, which is 0 there; nothing else of context parallel needs one.
    """
    if torch.accelerator.is_available():
        yield
        return
    with mock.patch.object(torch.accelerator, "device_count", lambda: 1):
        yield
