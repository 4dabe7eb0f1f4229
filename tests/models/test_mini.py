import json

import pytest
import torch
from einops import rearrange
from peft import LoraConfig

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.models.families import load_mini
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import find_model
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.models.text import ByteWords
from filmgrid.process.flow import clean_from

LAYOUT = Layout(2, 2)


def inputs(backbone, batch=2, cells=4, side=32):
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(batch, cells, 3, side, side, generator=generator)
    sigma = torch.full((batch, cells), 0.8)
    return noisy, sigma, backbone.encode(["a red circle", "a blue star"][:batch])


def test_loading_what_was_saved_changes_nothing(tiny_model, tmp_path):
    first = load_mini(str(tiny_model))
    first.save_pretrained(tmp_path / "again")
    second = load_mini(str(tmp_path / "again"))
    assert second.facts == first.facts
    noisy, sigma, condition = inputs(first)
    with torch.inference_mode():
        one = first.velocity(noisy, sigma, condition, LAYOUT)
        assert torch.equal(one, second.velocity(noisy, sigma, condition, LAYOUT))


def test_the_prompt_the_noise_level_and_every_cell_matter(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    with torch.inference_mode():
        base = backbone.velocity(noisy, sigma, condition, LAYOUT)
        other = backbone.velocity(noisy, sigma, backbone.encode(["a green ring"] * 2), LAYOUT)
        assert not torch.allclose(base, other, atol=1e-4)
        lower = backbone.velocity(noisy, sigma * 0.5, condition, LAYOUT)
        assert not torch.allclose(base, lower, atol=1e-4)
        changed = noisy.clone()
        changed[:, 3] += 1
        moved = backbone.velocity(changed, sigma, condition, LAYOUT)
        assert not torch.allclose(base[:, 0], moved[:, 0], atol=1e-5)


def test_velocity_points_from_the_predicted_clean_cells(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    with torch.inference_mode():
        clean = backbone.module(noisy, sigma, condition["words"])
        velocity = backbone.velocity(noisy, sigma, condition, LAYOUT)
    assert torch.allclose(clean_from(noisy, velocity, sigma), clean, atol=1e-5)


def test_a_known_cell_has_no_velocity(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    sigma[:, 1] = 0
    with torch.inference_mode():
        velocity = backbone.velocity(noisy, sigma, condition, LAYOUT)
    assert (velocity[:, 1] == 0).all()
    assert (velocity[:, 0] != 0).any()


@pytest.mark.parametrize(("cells", "side"), [(1, 16), (4, 48), (32, 32)])
def test_any_number_and_size_of_cells_goes_through(tiny_model, cells, side):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone, cells=cells, side=side)
    with torch.inference_mode():
        assert backbone.velocity(noisy, sigma, condition, LAYOUT).shape == noisy.shape


def test_sequences_of_a_batch_do_not_see_each_other(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    with torch.inference_mode():
        both = backbone.velocity(noisy, sigma, condition, LAYOUT)
        alone = backbone.velocity(noisy[:1], sigma[:1], backbone.encode(["a red circle"]), LAYOUT)
    assert torch.allclose(both[:1], alone, atol=1e-4)


def test_training_and_sampling_use_the_same_attention(tiny_model):
    module = load_mini(str(tiny_model)).module
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    trained = module(noisy, sigma, condition["words"])
    with torch.inference_mode():
        sampled = module(noisy, sigma, condition["words"])
    assert trained.requires_grad
    assert torch.allclose(trained, sampled, atol=1e-5)


def network(**options):
    """A network with weights in every layer, the ones that start at 0 included."""
    torch.manual_seed(0)
    net = GridTransformer(
        dim=64, depth=2, head_dim=32, max_words=7, word_bytes=12, text_depth=1, **options
    )
    for parameter in net.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1)
    return net.eval()


def touched_by_cell_one(net, place, grid_cols=2):
    """Cells and their tokens, 2x2 each, that change with one token of cell 1 of four."""
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn(1, 4, 3, 16, 16, generator=generator)
    sigma, words = torch.full((1, 4), 0.8), ByteWords(7, 12).encode(["a red circle"])
    other = noisy.clone()
    y, x = divmod(place, 2)
    other[:, 1, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] += 1
    with torch.inference_mode():
        change = net(other, sigma, words, grid_cols) - net(noisy, sigma, words, grid_cols)
    tokens = change.abs().amax(dim=2).unflatten(3, (2, 8)).unflatten(2, (2, 8)).amax(dim=(3, 5))
    return (tokens[0] > 1e-6).flatten(1)


def test_factorised_blocks_look_within_a_frame_and_then_across_frames():
    joint = touched_by_cell_one(network(copies=False), 3)
    assert joint.all()
    net = network(copies=False, mixing="factorised")
    assert touched_by_cell_one(net, 3).all()  # two blocks reach everything
    net.blocks = net.blocks[:1]
    within = torch.zeros(4, 4, dtype=torch.bool)
    within[1] = True
    assert torch.equal(touched_by_cell_one(net, 3), within)
    net = network(copies=False, mixing="factorised")
    net.blocks = net.blocks[1:]
    across = torch.zeros(4, 4, dtype=torch.bool)
    across[:, 3] = True
    assert torch.equal(touched_by_cell_one(net, 3), across)


def test_only_positions_of_the_grid_depend_on_its_width():
    noisy, sigma = torch.randn(1, 4, 3, 16, 16), torch.full((1, 4), 0.8)
    words = ByteWords(7, 12).encode(["a red circle"])
    with torch.inference_mode():
        frames, grid = network(), network(positions="grid")
        assert torch.equal(frames(noisy, sigma, words, 2), frames(noisy, sigma, words, 4))
        assert not torch.allclose(grid(noisy, sigma, words, 2), grid(noisy, sigma, words, 4))


def test_in_a_grid_the_next_row_is_near_and_the_end_of_this_row_is_far():
    angles, _ = network(positions="grid")._positions(4, 1, 1, 2, torch.device("cpu"))
    rows, cols = angles[:, 0, :4], angles[:, 0, 4:8]
    assert torch.equal(rows[0], rows[1]) and torch.equal(cols[0], cols[2])
    assert torch.equal(rows[2], cols[1])


def test_what_is_painted_as_velocity_comes_back_as_clean_cells():
    net = network(predicts="velocity", copies=False)
    torch.nn.init.zeros_(net.head.paint.weight)
    torch.nn.init.constant_(net.head.paint.bias, 0.5)
    noisy, sigma = torch.randn(1, 4, 3, 16, 16), torch.tensor([[0.0, 0.2, 0.8, 1.0]])
    clean = net(noisy, sigma, ByteWords(7, 12).encode([""]))
    assert torch.allclose(noisy - clean, 0.5 * sigma[:, :, None, None, None].expand_as(noisy))


@pytest.mark.parametrize("positions", ["frames", "grid"])
@pytest.mark.parametrize("mixing", ["joint", "factorised"])
def test_details_refine_their_own_frame_alone(positions, mixing):
    net = network(positions=positions, mixing=mixing, detail=2, detail_dim=32)
    tokens = 0.1 * torch.randn(1, 4, 4, net.config["dim"])  # 16 px: 2 x 2 patches
    noisy, sigma = torch.randn(1, 4, 3, 16, 16), torch.full((1, 4), 0.5)
    words = ByteWords(7, 12).encode(["a red circle"])
    for layer in [net.details.paint, *(block.modulation for block in net.details.blocks)]:
        torch.nn.init.normal_(layer.weight, std=0.1)
    added = []
    net.details.register_forward_hook(lambda module, given, made: added.append(made))
    net.details.register_forward_pre_hook(lambda module, given: (tokens, *given[1:]))
    with torch.no_grad():
        net(noisy, sigma, words, 2)
        changed = noisy.clone()
        changed[:, 3, :, 0, 0] += 1
        net(changed, sigma, words, 2)
    assert added[0].shape == (1, 4, 4, 3 * 8 * 8)
    assert torch.equal(added[0][:, :3], added[1][:, :3])
    far = (added[0] - added[1])[:, 3].abs().amax(dim=(0, 2))
    assert (far > 0).all(), "every patch of the frame should feel it"


def test_details_come_out_where_their_pixels_are():
    """A quarter's pixels go in and out at the same place: with no blocks, details are local."""
    details = network(detail=1, detail_dim=64).details
    details.blocks = torch.nn.ModuleList()
    torch.nn.init.normal_(details.paint.weight)
    torch.nn.init.zeros_(details.spread.weight)
    torch.nn.init.zeros_(details.spread.bias)
    image = torch.zeros(1, 1, 3, 16, 16)
    image[..., 4:8, 8:12] = 1  # one quarter of the patch at the top right
    patches = "b n c (y ph) (x pw) -> b n (y x) (c ph pw)"
    sizes = {"ph": 8, "pw": 8}
    x, no_words = torch.zeros(1, 1, 4, details.spread.in_features), torch.zeros(1, 1, 64)

    def added(of):
        made = details(x, rearrange(of, patches, **sizes), no_words, x, x, x, x, 2)
        left, right = patches.split(" -> ")
        return rearrange(made, f"{right} -> {left}", y=2, x=2, **sizes)

    with torch.no_grad():
        where = (added(image) - added(torch.zeros_like(image))).abs().amax(dim=(0, 1, 2)) > 0
    assert where[4:8, 8:12].all() and where.sum() == 16


def test_a_fresh_adapter_changes_nothing(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, condition = inputs(backbone)
    with torch.inference_mode():
        before = backbone.velocity(noisy, sigma, condition, LAYOUT)
    backbone.module.add_adapter(LoraConfig(r=4, target_modules=["qkv", "proj"]))
    with torch.inference_mode():
        after = backbone.velocity(noisy, sigma, condition, LAYOUT)
    assert torch.allclose(before, after, atol=1e-4)


def test_words_are_bytes_and_an_empty_prompt_is_nothing():
    words = ByteWords(max_words=6, word_bytes=4)
    spelled = ["a", "red", "circ", "le", ",", "né", "!"]
    assert words.words("A red circle, né!") == [word.encode() for word in spelled]
    assert (words.encode([""]) == 0).all()
    assert words.encode(["Red"]).equal(words.encode([" red "]))


def test_a_prompt_means_the_same_at_any_padding(tiny_model):
    backbone = load_mini(str(tiny_model))
    noisy, sigma, _ = inputs(backbone)
    short = backbone.encode(["a red circle", ""])["words"]
    long = backbone.encode(["a red circle", "", "one more " * 10])["words"][:2]
    assert (short.shape[1], long.shape[1]) == (15, 31)
    for module in (backbone.module, backbone.module.requires_grad_(True)):
        one, two = module(noisy, sigma, short), module(noisy, sigma, long)
        assert torch.allclose(one, two, atol=1e-5)
        assert not torch.allclose(one[0], module(noisy, sigma, short.flip(0))[0], atol=1e-5)


def test_a_prompt_that_is_too_long_is_refused_with_where_it_would_end():
    with pytest.raises(ConfigError, match=r"4 words and this model reads 3.*ends at 'c'"):
        ByteWords(3, 4).encode(["a b c d"])


def test_weights_of_another_shape_do_not_build():
    with pytest.raises(AssertionError):
        GridTransformer(dim=64, depth=1, head_dim=48)


def copied(tiny_model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in tiny_model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_missing_keys_are_refused_with_one_of_them(tiny_model, tmp_path):
    folder = copied(tiny_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "depth": 3}))
    with pytest.raises(CheckpointError, match=r"missing keys.*blocks\.2"):
        load_mini(str(folder))


def test_weights_of_another_width_are_refused(tiny_model, tmp_path):
    folder = copied(tiny_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dim": 128}))
    with pytest.raises(CheckpointError, match=r"cannot be loaded|do not fit"):
        load_mini(str(folder))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("diffusion_pytorch_model.safetensors", b"\x10", "truncated"),
        ("diffusion_pytorch_model.safetensors", None, r"no \.safetensors file"),
        ("config.json", None, "no config.json"),
        ("config.json", b"{", "is not JSON"),
        ("filmgrid.json", None, "holds no model"),
        ("filmgrid.json", b"{}", "damaged or from another version"),
    ],
)
def test_a_damaged_model_is_refused_with_what_is_wrong(
    tiny_model, tmp_path, name, content, message
):
    folder = copied(tiny_model, tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_mini(str(folder))


def test_a_family_of_the_future_is_named(tiny_model, tmp_path):
    folder = copied(tiny_model, tmp_path)
    facts = json.loads((folder / "filmgrid.json").read_text())
    (folder / "filmgrid.json").write_text(json.dumps({**facts, "family": "flux9"}))
    with pytest.raises(CheckpointError, match="'flux9'"):
        load_mini(str(folder))


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model 'nowhere'"):
        find_model("nowhere")
    with pytest.raises(CheckpointError, match="holds no model"):
        find_model(str(tmp_path))


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match="no cuda device"):
        choose_device("cuda")


def test_precision_is_what_was_asked_or_what_the_machine_multiplies():
    cpu = torch.device("cpu")
    assert choose_dtype("fp32", cpu) == torch.float32
    assert choose_dtype("bf16", cpu) == torch.bfloat16
    supported = torch.cpu._is_avx512_bf16_supported()
    assert choose_dtype("auto", cpu) == (torch.bfloat16 if supported else torch.float32)
