from pathlib import Path

import numpy as np
import pytest
import torch

from filmgrid.errors import CheckpointError, ShapeError
from filmgrid.evaluation.perceptual import (
    SMALLEST_SIDE,
    dists_distance,
    lpips_distance,
    random_dists_distance,
    random_lpips_distance,
)

REASON = "needs the extra perceptual: run make check-perceptual"
torchmetrics = pytest.importorskip("torchmetrics", reason=REASON)
vision = pytest.importorskip("torchvision", reason=REASON)

NETS = ("alex", "vgg", "squeeze")
HEADS = {"alex": 1152, "vgg": 1472, "squeeze": 2240}
NAMES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory):
    """State dictionaries as torchvision publishes them, with random convolutions."""
    folder = tmp_path_factory.mktemp("classifiers")
    made: dict[str, Path] = {}

    def make(net: str) -> Path:
        if net not in made:
            with torch.device("meta"):
                network = getattr(vision.models, NAMES[net])()
            generator = torch.Generator().manual_seed(7)
            state = {}
            for name, values in network.named_parameters():
                if name.startswith("features."):
                    spread = 0.05 if values.ndim == 1 else (2 / values[0].numel()) ** 0.5
                    state[name] = torch.randn(values.shape, generator=generator) * spread
                else:  # one zero in the file, however large the layer is
                    state[name] = torch.zeros(1).expand(values.shape)
            made[net] = folder / f"{net}.pth"
            torch.save(state, made[net])
        return made[net]

    return make


@pytest.fixture
def cache(files, tmp_path, monkeypatch):
    """A cache of torch.hub in which torchvision finds those files under its own names."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    published = {
        "alex": vision.models.AlexNet_Weights,
        "vgg": vision.models.VGG16_Weights,
        "squeeze": vision.models.SqueezeNet1_1_Weights,
    }

    def fill(net: str) -> None:
        (folder / published[net].IMAGENET1K_V1.url.rsplit("/", 1)[-1]).symlink_to(files(net))

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return fill


def scaled(frames) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("net", NETS)
def test_lpips_is_that_of_torchmetrics_on_the_same_weights(net, files, cache, frames, noisy):
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    cache(net)
    theirs = learned_perceptual_image_patch_similarity(
        scaled(frames), scaled(noisy), net_type=net, reduction="none", normalize=True
    )
    ours = lpips_distance(net, files(net))
    assert ours(frames, noisy) == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-7)
    assert ours.statement.name == f"lpips-{net}"
    assert lpips_distance(net).statement.fingerprint == ours.statement.fingerprint


def test_dists_is_that_of_torchmetrics_on_the_same_weights(files, cache, frames, noisy):
    from torchmetrics.functional.image import deep_image_structure_and_texture_similarity

    cache("vgg")
    theirs = deep_image_structure_and_texture_similarity(scaled(frames), scaled(noisy))
    ours = dists_distance(files("vgg"))
    assert ours(frames, noisy) == pytest.approx(theirs.detach().numpy(), rel=1e-4, abs=1e-6)
    assert dists_distance().statement.fingerprint == ours.statement.fingerprint


@pytest.mark.parametrize("net", [*NETS, "dists"])
def test_equal_frames_are_at_zero_and_noise_moves_them_apart(net, frames, noisy):
    distance = random_dists_distance(0) if net == "dists" else random_lpips_distance(net, 0)
    assert distance(frames, frames) == pytest.approx(np.zeros(3), abs=1e-6 * (net == "dists"))
    apart = distance(frames, noisy)
    assert apart.dtype == np.float64 and apart.shape == (3,)
    assert 0 < apart[0] < apart[1] < apart[2]
    assert distance.statement.weights.source == "seed" and "random-" in distance.statement.name
    assert distance(frames[:0], frames[:0]).shape == (0,)


def test_pairs_do_not_depend_on_their_batch(frames, noisy):
    whole = random_lpips_distance("alex", 0, batch_size=3)(frames, noisy)
    single = random_lpips_distance("alex", 0, batch_size=1)(frames, noisy)
    assert whole == pytest.approx(single, rel=1e-4)


def test_the_same_seed_gives_the_same_weights_and_the_caller_keeps_his_own():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second, other = (random_lpips_distance("squeeze", seed) for seed in (0, 0, 1))
    random_dists_distance(0)
    assert torch.equal(torch.rand(2), expected)
    assert first.statement == second.statement
    assert first.statement.fingerprint != other.statement.fingerprint


@pytest.mark.parametrize("net", NETS)
def test_heads_never_count_against_a_difference(net, real_data: Path, files):
    distance = random_lpips_distance(net, 0)
    heads = [layer.model[-1].weight for layer in distance.network.lins]
    assert sum(values.numel() for values in heads) == HEADS[net]
    assert min(float(values.min()) for values in heads) >= 0
    folder = real_data / "weights" / "lpips"
    shipped = lpips_distance(net, files(net))
    same = lpips_distance(net, files(net), folder / "v0.1" / f"{net}.pth")
    older = lpips_distance(net, files(net), folder / "v0.0" / f"{net}.pth")
    assert same.statement.fingerprint == shipped.statement.fingerprint
    assert older.statement.fingerprint != shipped.statement.fingerprint
    with pytest.raises(CheckpointError, match="not those of Heads"):
        lpips_distance(net, files(net), files("alex"))


def test_the_demo_images_of_the_paper_run(real_data: Path):
    from PIL import Image

    folder = real_data / "weights" / "lpips" / "imgs"
    names = ("ex_ref", "ex_p0", "ex_p1")
    ref, *others = (np.asarray(Image.open(folder / f"{name}.png").convert("RGB")) for name in names)
    distance = random_lpips_distance("alex", 0)
    apart = distance(np.stack([ref, ref, ref]), np.stack([ref, *others]))
    assert apart[0] == 0 and (apart[1:] > 0.01).all()


@pytest.mark.parametrize("net", [*NETS, "dists"])
def test_the_smallest_side_is_measured_and_smaller_frames_are_refused(net):
    distance = random_dists_distance(0) if net == "dists" else random_lpips_distance(net, 0)
    side = SMALLEST_SIDE["vgg" if net == "dists" else net]
    noise = np.random.default_rng(0).integers(0, 256, (2, 1, side, side, 3), dtype=np.uint8)
    assert distance(*noise)[0] > 0
    with pytest.raises(ShapeError, match=rf"{side - 1}x{side} px .* {side}x{side} px are needed"):
        distance(noise[0, :, 1:], noise[1, :, 1:])
    if net != "dists":
        small = torch.zeros(1, 3, side - 1, side)
        with pytest.raises(RuntimeError, match=r"too small|Kernel size"):
            distance.network(small, small)


def test_frames_that_are_no_pairs_are_refused(frames):
    distance = random_lpips_distance("squeeze", 0)
    with pytest.raises(ShapeError, match=r"in pairs, and got shapes \(3, .* and \(2, "):
        distance(frames, frames[:2])
    with pytest.raises(ShapeError, match="float32 of shape"):
        distance(frames.astype(np.float32), frames)
    with pytest.raises(ShapeError, match=r"uint8 of shape \(40, 56, 3\)"):
        distance(frames[0], frames[0])


def test_weights_of_another_network_are_refused_in_one_sentence(files, tmp_path: Path):
    with pytest.raises(CheckpointError, match="not those of VGG: they lack"):
        lpips_distance("vgg", files("alex"))
    with pytest.raises(CheckpointError, match="not those of VGG: they lack"):
        dists_distance(files("squeeze"))
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        lpips_distance("alex", files("alex"), sha256="0" * 64)
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        lpips_distance("alex", tmp_path / "none.pth")


def test_weights_that_give_no_number_are_told(frames, files, tmp_path: Path):
    state = torch.load(files("squeeze"), weights_only=True)
    torch.save({k: v * float("nan") for k, v in state.items()}, tmp_path / "nan.pth")
    with pytest.raises(ShapeError, match="pair 0 has no finite distance"):
        lpips_distance("squeeze", tmp_path / "nan.pth")(frames, frames)
