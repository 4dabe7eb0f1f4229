import numpy as np
import pytest

from filmgrid.evaluation.bins import halve, hellinger, luma, soft_histogram


def test_each_value_is_shared_between_its_two_bins():
    counts = soft_histogram(np.array([0.0, 1.25, 2.0], np.float32), 3)
    assert counts[0].tolist() == pytest.approx([1, 0.75, 1.25])


def test_values_beyond_the_ends_count_at_the_ends():
    counts = soft_histogram(np.array([-5.0, 9.0, np.inf], np.float32), 3)
    assert counts[0].tolist() == [1, 0, 2]


def test_angles_go_round():
    position = np.array([3.5, -0.5, 4.0, -8.0], np.float32)
    counts = soft_histogram(position, 4, circular=True)
    assert counts[0].tolist() == pytest.approx([3, 0, 0, 1])


def test_an_angle_just_below_zero_is_the_first_and_not_beyond_the_last():
    counts = soft_histogram(np.array([-1e-12], np.float32), 8, circular=True)
    assert counts[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0])


def test_groups_and_weights_are_kept_apart():
    position, weight = np.array([0.0, 1.0, 1.0], np.float32), np.array([2.0, 3.0, 5.0])
    counts = soft_histogram(position, 2, np.array([0, 1, 1]), 2, weight)
    assert counts.tolist() == [[2, 0], [0, 8]]


def test_square_roots_of_shares_have_length_one_or_nothing():
    roots = hellinger(np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert roots.tolist() == [[0.5, pytest.approx(0.75**0.5)], [0, 0]]


def test_squares_are_averaged_and_what_is_left_over_is_dropped():
    frames = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    assert halve(frames).tolist() == [[[3, 5]]]
    assert halve(frames, 1) is frames


def test_white_has_brightness_one():
    assert luma(np.full((1, 1, 1, 3), 255, np.uint8)).item() == pytest.approx(1)
