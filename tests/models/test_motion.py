import torch

from filmgrid.models.mini import GridTransformer
from filmgrid.models.motion import PIXELS, MotionCompensation, nearest_clean
from filmgrid.models.text import ByteWords


def test_the_nearest_clean_cells_are_found_on_both_sides():
    sigma = torch.tensor([[0.5, 0.0, 0.7, 0.7, 0.0, 0.2], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    source, there = nearest_clean(sigma)
    before, after = source.unbind(-1)
    assert before[0][there[0, :, 0]].tolist() == [1, 1, 1, 4]
    assert after[0][there[0, :, 1]].tolist() == [1, 4, 4, 4]
    assert there[0].tolist() == [
        [False, True],
        [False, True],
        [True, True],
        [True, True],
        [True, False],
        [True, False],
    ]
    assert not there[1].any()


def moving(dx, dy, patch=8, shear=None):
    """Compensation that moves every patch alike and keeps nothing of what was painted."""
    part = MotionCompensation(32, 32, 0, 32, patch)
    told = [dx / PIXELS, dy / PIXELS, *(shear or [0, 0, 0, 0])]
    part.move.bias.data = torch.tensor(2 * told)
    part.choose.bias.data.fill_(30.0)
    return part


def carried(part, frames, sigma):
    batch, cells, _, height, width = frames.shape
    x = torch.randn(batch, cells, (height // part.patch) * (width // part.patch), 32)
    none = torch.zeros(batch, 1, 32)
    with torch.no_grad():
        return part(x, none, x, none, x, none[..., 0], frames, sigma, torch.zeros_like(frames))


def test_pixels_come_from_where_the_token_says():
    frames = torch.rand(2, 3, 3, 16, 24)
    sigma = torch.tensor([[0.0, 1.0, 1.0]]).expand(2, -1)
    made = carried(moving(3, -2), frames, sigma)
    assert torch.allclose(made[:, 1, :, 2:, :-3], frames[:, 0, :, :-2, 3:], atol=1e-5)
    assert torch.allclose(made[:, 2], made[:, 1])


def test_a_patch_may_be_mirrored_about_its_middle():
    frames = torch.rand(1, 2, 3, 8, 8)
    made = carried(moving(0, 0, shear=[-20.0, 0, 0, 0]), frames, torch.tensor([[0.0, 1.0]]))
    assert torch.allclose(made[:, 1], frames[:, 0].flip(-1), atol=1e-5)


def test_without_a_clean_cell_all_is_as_painted():
    frames = torch.rand(1, 2, 3, 8, 8)
    assert (carried(moving(1, 1), frames, torch.ones(1, 2)) == 0).all()


def test_it_begins_as_next_to_none_and_learns_where_a_patch_went():
    torch.manual_seed(0)
    words = ByteWords(7, 12).encode(["a red circle"] * 4)
    sizes = {"dim": 64, "depth": 1, "head_dim": 32, "text_depth": 0}
    grown = GridTransformer(**sizes, motion=1, motion_dim=32)
    plain = GridTransformer(**sizes)
    plain.load_state_dict(grown.state_dict(), strict=False)
    first = torch.nn.functional.interpolate(torch.rand(4, 3, 5, 5) * 2 - 1, 16, mode="bicubic")
    frames = torch.stack([first, first.roll(2, dims=-1)], dim=1)
    sigma = torch.tensor([[0.0, 0.9]]).expand(4, -1)
    noisy = frames.lerp(torch.randn_like(frames), sigma[..., None, None, None])
    with torch.no_grad():
        apart = grown(noisy, sigma, words) - plain(noisy, sigma, words)
    assert 0 < apart.abs().max() < 0.1
    trained = grown.compensation.requires_grad_(True)
    grown.requires_grad_(False)
    trained.requires_grad_(True)
    adam = torch.optim.Adam(trained.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        loss = (grown(noisy, sigma, words) - frames)[:, 1, :, :, 2:].square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0], losses[::30]
