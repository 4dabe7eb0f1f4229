import numpy as np
import pytest

from filmgrid.errors import ConfigError
from filmgrid.metrics.inception import inception_score


def test_unsure_answers_score_one():
    score = inception_score(np.full((100, 7), 1 / 7))
    assert score.mean == pytest.approx(1)
    assert score.std == pytest.approx(0, abs=1e-12)
    assert (score.splits, score.n) == (10, 100)


@pytest.mark.parametrize("classes", [2, 5, 101])
def test_sure_and_balanced_answers_score_the_number_of_classes(classes: int):
    answers = np.tile(np.eye(classes), (20, 1))
    assert inception_score(answers, splits=1).mean == pytest.approx(classes)
    assert inception_score(answers, splits=10, seed=None).mean == pytest.approx(classes)


def test_one_class_alone_scores_one():
    assert inception_score(np.tile(np.eye(5)[:1], (40, 1))).mean == pytest.approx(1)


def test_mean_and_deviation_are_taken_over_splits():
    uniform, sure = np.full((4, 2), 0.5), np.tile(np.eye(2), (2, 1))
    score = inception_score(np.concatenate([uniform, sure]), splits=2, seed=None)
    assert (score.mean, score.std) == (pytest.approx(1.5), pytest.approx(0.5))


def test_samples_sorted_by_class_are_shuffled_before_they_are_cut():
    answers = np.repeat(np.eye(4), 100, axis=0)
    assert inception_score(answers, seed=None).mean < 2
    assert inception_score(answers).mean > 3.5
    assert inception_score(answers) == inception_score(answers)


def test_underflown_probabilities_do_no_harm():
    tiny = np.tile([[1.0, 0.0, 5e-324]], (20, 1))
    tiny[0] = [1.0, 5e-324, 0.0]
    with np.errstate(all="raise", under="ignore"):
        assert inception_score(tiny).mean == pytest.approx(1)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ConfigError, match="Apply softmax"):
        inception_score(np.random.default_rng(0).normal(size=(20, 4)))
    with pytest.raises(ConfigError, match="Apply softmax"):
        inception_score(np.full((20, 4), 0.5))
    with pytest.raises(ConfigError, match="5 samples cannot be cut into 10 splits"):
        inception_score(np.full((5, 4), 0.25))
