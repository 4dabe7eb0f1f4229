import torch

from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone
from filmgrid.models.facts import BackboneFacts
from filmgrid.sampling.guidance import guided

LAYOUT = Layout(1, 2)


class Echo(Backbone):
    """Its velocity is its condition, times embedded guidance; counts what it is called with."""

    def __init__(self, guidance="two-pass"):
        self.batches = []
        self.facts = BackboneFacts(
            family="echo",
            name="echo",
            layout="1x2",
            trained_layouts=("1x2",),
            cell=(4, 4),
            stride=1,
            has_text=True,
            per_cell_sigma=True,
            guidance=guidance,
        )

    def encode(self, prompts):
        return {"value": torch.tensor([float(prompt or 0) for prompt in prompts])}

    def blank(self, count):
        return self.encode(["0"] * count)

    def velocity(self, noisy, sigma, condition, layout):
        self.batches.append(len(noisy))
        value = condition["value"] * condition.get("guidance", 1)
        return value[:, None, None, None, None].expand_as(noisy)

    def begin(self):
        pass

    def with_module(self, module):
        return self

    def save_pretrained(self, folder):
        pass


def velocity_at(scale, null=True, guidance="two-pass"):
    backbone = Echo(guidance)
    condition = backbone.encode(["2", "5"])
    zero = backbone.encode(["1", "1"]) if null else None
    velocity_of = guided(backbone, condition, LAYOUT, scale, zero)
    velocity = velocity_of(torch.zeros(2, 2, 3, 4, 4), torch.ones(2, 2))
    return velocity[:, 0, 0, 0, 0].tolist(), backbone.batches


def test_guidance_goes_on_from_the_null_condition():
    assert velocity_at(3.0) == ([1 + 3 * 1, 1 + 3 * 4], [4])


def test_a_scale_of_zero_forgets_the_condition():
    assert velocity_at(0.0) == ([1, 1], [4])


def test_no_second_pass_is_paid_where_there_is_nothing_to_guide():
    assert velocity_at(1.0) == ([2, 5], [2])
    assert velocity_at(3.0, null=False) == ([2, 5], [2])


def test_embedded_guidance_is_told_and_not_paid_for():
    assert velocity_at(3.0, guidance="embedded") == ([2 * 3, 5 * 3], [2])
    assert velocity_at(1.0, guidance="embedded") == ([2, 5], [2])
