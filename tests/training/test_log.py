import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from filmgrid.errors import ConfigError
from filmgrid.training.config import TrainConfig
from filmgrid.training.learning_config import LayoutShare
from filmgrid.training.model_config import ModelConfig
from filmgrid.training.run import train


def config_of(out, **changes):
    return TrainConfig(
        out=out,
        layouts=(LayoutShare(layout="2x2"),),
        model=ModelConfig(dim=64, depth=1, head_dim=32, text_depth=1),
        cell=16,
        batch=2,
        compile=False,
        workers=0,
        device="cpu",
        **changes,
    )


def curves(out):
    read = EventAccumulator(str(out / "log"))
    read.Reload()
    return read


def steps(read, name):
    return [event.step for event in read.Scalars(name)]


def test_curves_and_sample_grids_are_tracked_and_go_on_after_a_stop(tmp_path):
    config = config_of(tmp_path, steps=4, save_every=2, validate_every=2, num_steps=2)

    def stop(report):
        if report.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, on_step=stop)
    assert steps(curves(tmp_path), "train/base") == [1, 2, 3]
    train(config)
    read = curves(tmp_path)
    assert steps(read, "train/base") == [1, 2, 3, 4]
    assert steps(read, "samples/score") == steps(read, "data/score") == [2, 4]
    pictures = read.Images("samples")
    assert [picture.step for picture in pictures] == [2, 4]
    assert pictures[0].width >= 64


def test_a_tracker_that_is_not_installed_is_named_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match="pip install trackio"):
        train(config_of(tmp_path, track=("trackio",)))
    assert not list(tmp_path.iterdir())
