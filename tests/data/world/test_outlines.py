import numpy as np
import pytest

from filmgrid.data.world.outlines import (
    TEXTURE_REACH,
    TEXTURE_SIDE,
    centre_of_mass,
    distance_textures,
    outline,
)
from filmgrid.data.world.words import SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_has_its_centre_of_mass_at_the_origin_and_reaches_at_most_one(shape):
    rings = list(outline(shape))
    assert np.allclose(centre_of_mass(rings), 0, atol=1e-9)
    assert 0.8 < max(np.hypot(*ring.T).max() for ring in rings) <= 1 + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inside_has_the_area_of_the_outline(shape):
    texture = distance_textures()[list(SHAPES).index(shape)]
    area = (texture < 0).mean() * (2 * TEXTURE_REACH) ** 2
    expected = 0.0
    for ring in outline(shape):
        following = np.roll(ring, -1, axis=0)
        expected += (ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum() / 2
    assert area == pytest.approx(abs(expected), rel=0.02)


def test_the_distance_to_a_circle_is_exact():
    texture = distance_textures()[list(SHAPES).index("circle")]
    place = ((np.arange(TEXTURE_SIDE) + 0.5) / TEXTURE_SIDE * 2 - 1) * TEXTURE_REACH
    assert np.allclose(texture, np.hypot(place, place[:, None]) - 0.84, atol=2e-3)


@pytest.mark.parametrize("shape", [shape for shape, times in SHAPES.items() if times != 1])
def test_shapes_look_the_same_as_often_as_the_words_say(shape):
    texture = distance_textures()[list(SHAPES).index(shape)] < 0
    turned = SHAPES[shape] in (0, 4)
    assert turned == (np.mean(texture != np.rot90(texture)) < 0.01)
