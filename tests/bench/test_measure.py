import pytest
import torch

from filmgrid.bench.config import ClipSize
from filmgrid.bench.flops import Count
from filmgrid.bench.measure import Times, time_in_turn
from filmgrid.bench.peak import ImpossibleError, matrix_probe, share_of_peak
from filmgrid.bench.results import BenchResult, Machine, Spread, read_result
from filmgrid.bench.run import describe_machine, make_rows
from filmgrid.bench.subjects import Made, Subject
from filmgrid.errors import ConfigError


class World:
    """A clock that only runs move, on a machine that slows down more with every round."""

    def __init__(self):
        self.now = 0.0
        self.log = []
        self.slow = 1.0

    def runs(self, **seconds):
        def run(name, needed):
            self.log.append(name)
            self.now += needed * self.slow

        return [
            lambda name=name, needed=needed: run(name, needed) for name, needed in seconds.items()
        ]

    def probe(self):
        self.log.append("probe")
        self.now += 100.0  # is in nobody's time
        self.slow *= 2
        return 1e12 / self.slow

    def clock(self):
        return self.now


def test_subjects_take_turns_with_the_probe_before_every_round():
    world = World()
    time_in_turn(world.runs(a=1, b=2, c=4), 2, 1, world.probe, clock=world.clock)
    assert world.log == ["a", "b", "c", *["probe", "a", "b", "c"] * 2]


def test_drift_falls_out_of_ratios_but_not_of_times():
    world = World()
    times = time_in_turn(world.runs(a=1, b=3), 4, 0, world.probe, clock=world.clock)
    assert times.seconds == ((2, 4, 8, 16), (6, 12, 24, 48))
    assert times.ratios(1) == (3, 3, 3, 3)
    assert times.ratios(0) == (1, 1, 1, 1)
    assert times.peak == 5e11


def test_the_clock_waits_for_the_device():
    world, queue = World(), []

    def wait():
        world.now += sum(queue)
        queue.clear()

    def run():  # returns at once; its work is done when someone waits
        queue.append(5.0)

    times = time_in_turn([run], 2, 1, lambda: 1.0, wait=wait, clock=world.clock)
    assert times.seconds == ((5, 5),)


def test_spreads_are_the_quantiles():
    found = Spread.of([4, 1, 3, 2, 5])
    assert (found.least, found.lower, found.median, found.upper, found.most) == (1, 2, 3, 4, 5)


def test_a_result_above_the_peak_is_refused():
    assert share_of_peak(50.0, 1.0, 100.0, "it") == 0.5
    assert share_of_peak(100.0, 1.0, 100.0, "it") == 1
    with pytest.raises(ImpossibleError, match=r"^it would have computed .* impossible"):
        share_of_peak(101e9, 1.0, 100e9, "it")


def subject(name):
    return Subject(name, "trained", lambda: None, (), lambda _: 0, ())


def result(flops, seconds):
    """A result of subjects with these operations and times, beside a peak of 100 FLOP/s."""
    counts = [Count(Made(ClipSize(4, 8, 8), 2), each, 1, 2.0, 16) for each in flops]
    subjects = [subject(f"s{place}") for place in range(len(flops))]
    times = Times(tuple(seconds), (90.0, 100.0, 95.0))
    rows = make_rows(subjects, counts, times, [2**20] * len(flops))
    return BenchResult(
        machine=describe_machine(torch.device("cpu")),
        dtype="float32",
        num_rounds=3,
        warmup=1,
        probe=Spread.of(times.probes),
        memory_counts="of this test",
        rows=rows,
    )


def test_rows_pair_each_round_with_the_first_subject():
    first, second = result([50, 50], [(1, 2, 4), (2, 3, 2)]).rows
    assert first.ratio == Spread.of([1])
    assert second.ratio == Spread.of([2, 1.5, 0.5])
    assert second.seconds.median == 2
    assert second.share == 0.25
    assert second.seconds_per_frame == 0.5
    assert second.rounds == (2, 3, 2)


def test_one_impossible_round_is_enough_to_refuse_a_row():
    first, second = result([50, 50], [(1, 1, 1), (1, 1, 0.4)]).rows
    assert first.refused is None
    assert "impossible" in second.refused
    assert second.seconds is second.ratio is second.share is second.seconds_per_frame is None
    assert second.rounds == ()


def test_nothing_is_compared_with_a_refused_first_row():
    first, second = result([5000, 50], [(1, 1, 1), (1, 1, 1)]).rows
    assert first.refused
    assert second.seconds is not None
    assert second.ratio is None


def test_the_table_prints_no_number_of_a_refused_row():
    told = result([50, 5000], [(1, 1, 1), (0.123, 0.123, 0.123)]).text()
    line = next(line for line in told.splitlines() if line.startswith("s1"))
    assert line.count("refused") == 4
    assert "0.123" not in told
    assert "refused: s1 would have computed" in told
    assert "matrix probe 0/0/0 GFLOP/s" in told


@pytest.mark.parametrize(
    ("weights", "told"),
    [("random", "it (FLUX.1-dev, random weights) "), ("tiny", "it (tiny: not the real size) ")],
)
def test_the_table_says_which_weights_are_not_the_real_ones(weights, told):
    named = Subject("it", weights, lambda: None, (), lambda _: 0, (), "FLUX.1-dev")
    counts = [Count(Made(ClipSize(4, 8, 8), 2), 1, 1, 1.0, 16)]
    rows = make_rows([named], counts, Times(((1.0,),), (2.0,)), [None])
    made = result([50], [(1, 1, 1)]).model_copy(update={"rows": rows})
    assert told in made.text()


def test_a_result_can_be_read_again(tmp_path):
    made = result([50], [(1, 1, 1)])
    (tmp_path / "a.json").write_text(made.model_dump_json())
    assert read_result(tmp_path / "a.json") == made
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ConfigError, match="no result of filmgrid bench"):
        read_result(tmp_path / "b.json")


def test_the_machine_says_what_results_depend_on():
    found = describe_machine(torch.device("cpu"))
    assert isinstance(found, Machine)
    assert found.versions["torch"] == torch.__version__
    assert found.threads == torch.get_num_threads()


def test_the_probe_measures_a_possible_machine():
    rate = matrix_probe(torch.device("cpu"), torch.float32)()
    assert 1e8 < rate < 1e14


def test_the_probe_leaves_the_precision_of_others_as_it_was():
    before = torch.backends.cuda.matmul.allow_tf32
    matrix_probe(torch.device("cpu"), torch.float32)()
    assert torch.backends.cuda.matmul.allow_tf32 == before
