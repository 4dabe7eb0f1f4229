"""What a server is started with. Free of torch and of FastAPI."""

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.loading import Loading


class ServeConfig(Loading):
    """A server, its workspace, and how much it takes on.

    How pretrained models are loaded holds for all requests; visitors choose none of it.
    """

    model: tuple[str, ...] = Field(default=("mini",), min_length=1)
    """Models that are served: names, Hub ids or folders; the first is the one taken by default."""
    host: str = "127.0.0.1"
    """Address to listen on. Beyond this machine a token is made, and required of everybody."""
    port: int = Field(default=7860, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    workspace: Path = Path("filmgrid-workspace")
    """Folder of jobs, uploads and results. Nothing outside of it is ever given out."""
    token: str | None = Field(default=None, min_length=16)
    """Secret that every request must bring; by default made beyond loopback and kept in the
    workspace."""
    workers: int | None = Field(default=None, ge=1, le=64)
    """Processes that generate; by default one for each GPU, or one."""
    max_batch: int = Field(default=4, ge=1)
    """Sequences that a worker computes at once."""
    lookahead: int = Field(default=32, ge=1)
    """Jobs that a worker takes from the queue to choose the next step among."""
    attempts: int = Field(default=5, ge=1)
    """Times that a job may take its worker down before it is given up."""
    lease_s: float = Field(default=30.0, gt=0)
    """Seconds after which a job of a worker that gives no sign is given to another."""
    hang_s: float = Field(default=600.0, gt=0)
    """Seconds that a worker may take to get on, from a step to the next, before it is taken to
    hang and is replaced; thirty times what the step is known to take, if that is longer, and ten
    times as many while a model is loaded."""
    quota_gb: float = Field(default=20.0, gt=0)
    """Space of the workspace; beyond it the oldest jobs and uploads that are not pinned go."""
    queue: int = Field(default=1000, ge=1)
    """Jobs that may wait."""
    upload_mb: float = Field(default=512.0, gt=0)
    """Largest upload."""
    upload_pixels: int = Field(default=2**25, ge=1)
    """Most pixels of an uploaded frame."""
    upload_frames: int = Field(default=4096, ge=1)
    """Most frames of an uploaded clip."""
    upload_s: float = Field(default=60.0, gt=0)
    """Seconds that looking into an upload may take."""
    max_frames: int = Field(default=4096, ge=1)
    """Longest sequence."""
    max_pixels: int = Field(default=2**23, ge=1)
    """Most pixels of a grid, before frames are enlarged."""
    max_steps: int = Field(default=200, ge=1)
    """Most sampling steps."""
    max_sequences: int = Field(default=16, ge=1)
    """Most sequences of which the best is taken."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @model_validator(mode="after")
    def _models_differ(self) -> Self:
        for name in self.model:
            if self.model.count(name) > 1:
                raise ValueError(f"The model {name} is named twice. Name each once.")
        return self

    @model_validator(mode="after")
    def _one_model_is_shared(self) -> Self:
        if self.devices > 1 and len(set(self.model) - {"mini"}) > 1:
            raise ValueError(
                f"devices {self.devices} share the passes of one model, and {len(self.model)} are "
                "served. Serve each by itself."
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def quota(self) -> int:
        """Space of the workspace in bytes."""
        return int(self.quota_gb * 2**30)

    @property
    def upload_bytes(self) -> int:
        """Largest upload in bytes."""
        return int(self.upload_mb * 2**20)
