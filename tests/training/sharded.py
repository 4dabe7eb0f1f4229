"""Train in this process, one of several that share the weights out: CONFIG, as JSON.

Once straight through, and once more in OUT-again, stopped after a checkpoint and gone on with.
"""

import json
import sys
from pathlib import Path

from accelerate import Accelerator
from torch.distributed.tensor import DTensor

from filmgrid.training import run
from filmgrid.training.config import TrainConfig

STOP = 3


class StoppedError(Exception):
    """In the place of a machine that goes away."""


def main(config: TrainConfig) -> None:
    Accelerator.end_training = lambda _: None  # there is more to come
    losses, states = [], []

    def start(*args, **words):
        state = start_state(*args, **words)
        states.append(state)
        return state

    start_state, run.start_state = run.start_state, start
    run.train(config, lambda report: losses.append(report.base + report.temporal))
    (state,) = states
    rank = state.accelerator.process_index
    for weight in (*state.module.parameters(), *state.ema.shadow_params):
        assert isinstance(weight, DTensor) or weight.ndim == 0
    held = [weight for weight in state.module.parameters() if weight.ndim]
    parts = sum(weight.to_local().numel() for weight in held)
    report = {
        "losses": losses,
        "held": parts / sum(weight.numel() for weight in held),
    }
    config.out.with_name(f"report-{rank}.json").write_text(json.dumps(report))

    again = config.model_copy(update={"out": config.out.with_name(f"{config.out.name}-again")})

    def stop(report):
        if report.step == STOP:
            raise StoppedError

    try:
        run.train(again, stop)
    except StoppedError:
        run.train(again)


if __name__ == "__main__":
    main(TrainConfig(**json.loads(Path(sys.argv[1]).read_text())))
