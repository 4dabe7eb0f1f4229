"""Fixtures that several rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real clips, volumes and meshes kept beside the checkout, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not beside this checkout ({folder})")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the real architecture with random weights, 2x2 cells of 32 px."""
    import torch

    from filmgrid.models.facts import BackboneFacts
    from filmgrid.models.families import mini_backbone
    from filmgrid.models.mini import GridTransformer

    folder = tmp_path_factory.mktemp("tiny-model")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = GridTransformer(patch=16, dim=64, depth=2, head_dim=32, text_depth=1)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    facts = BackboneFacts(
        family="mini",
        name="tiny",
        layout="2x2",
        trained_layouts=("2x2", "1x1"),
        cell=(32, 32),
        stride=16,
        has_text=True,
        per_cell_sigma=True,
        num_steps=3,
        guidance_scale=2.0,
        shift=3.0,
    )
    mini_backbone(module, facts).save_pretrained(folder)
    return folder
