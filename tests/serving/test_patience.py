from filmgrid.serving.patience import LOADING, TIMES, Patience


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_who_gets_on_is_never_overdue():
    clock = Clock()
    patience = Patience(10, clock)
    for _ in range(50):
        clock.now += 9
        assert patience.overdue is None
        patience.step()


def test_a_step_may_take_what_is_allowed_or_many_times_what_it_is_known_to_take():
    clock = Clock()
    patience = Patience(10, clock)
    for expected, granted in ((0.0, 10), (0.1, 10), (5.0, 5 * TIMES)):
        patience.step(expected)
        clock.now += granted
        assert patience.overdue is None
        clock.now += 1
        assert patience.overdue == granted + 1


def test_a_model_that_is_loaded_has_longer():
    clock = Clock()
    patience = Patience(10, clock)
    patience.load()
    clock.now += 10 * LOADING
    assert patience.overdue is None
    clock.now += 1
    assert patience.overdue
    patience.step()
    assert patience.overdue is None
