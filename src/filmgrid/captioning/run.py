"""Caption a dataset: ask for what is not known yet, keep every answer, write the manifest."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from pydantic import BaseModel

from filmgrid.captioning.answers import UnusableError, read_answer
from filmgrid.captioning.cache import AnswerCache, Answered, Asked
from filmgrid.captioning.config import CaptionConfig
from filmgrid.captioning.models import Captioner, FailedError, open_captioner
from filmgrid.captioning.words import AGAIN, Conversation, Turn, load_exemplars
from filmgrid.data.manifest import Entry, save_manifest
from filmgrid.data.sequences import SequenceFolder, select_split
from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

PATCH_PX = 28
"""Side of the square of pixels that Qwen-VL and GLM-4V make one token of."""
LETTERS_PER_TOKEN = 4
ANSWER_TOKENS = 120
"""Taken for granted until there are answers to count."""


class Expected(BaseModel):
    """What the requests that are left would take."""

    tokens_in: int
    tokens_out: int
    cost: float | None
    """In the currency of the prices."""
    seconds: float | None
    """By the answers so far, at this concurrency; ``None`` where there are none."""


class CaptionReport(BaseModel):
    """What ``filmgrid dataset caption`` did."""

    dataset: str
    model: str
    sequences: int
    """Of the dataset, on the sides that were asked for."""
    had_captions: int
    """Left as they were."""
    known: int
    """Answers that the cache had."""
    asked: int
    """Sequences that got an answer in this run."""
    left: int
    """Sequences that still have to be asked for."""
    failed: dict[str, str] = {}
    """Why a sequence has none, by id."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0
    expected: Expected | None = None
    """Of what is left, in a dry run."""

    def text(self) -> str:
        """For people."""
        lines = [
            f"{self.dataset}: {self.sequences} sequences, {self.had_captions} with captions of "
            f"their own, {self.known} answers known, {self.asked} asked now, {self.left} left"
        ]
        if self.asked:
            lines.append(
                f"{self.tokens_in} tokens sent, {self.tokens_out} answered, "
                f"{self.seconds:.0f} s{_priced(self.cost)}"
            )
        if self.expected is not None:
            told = self.expected
            lasts = "" if told.seconds is None else f", {told.seconds / 60:.0f} minutes"
            lines.append(
                f"What is left takes about {told.tokens_in} tokens sent and {told.tokens_out} "
                f"answered{lasts}{_priced(told.cost)}"
            )
        for why in sorted(set(self.failed.values())):
            names = [name for name, each in self.failed.items() if each == why]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            lines.append(f"No caption for {', '.join(names[:3])}{more}: {why}")
        if self.failed:
            lines.append("The same command asks for these again.")
        return "\n".join(lines)


def caption_dataset(
    config: CaptionConfig,
    *,
    dry_run: bool = False,
    on_answer: Callable[[int, int], None] | None = None,
) -> CaptionReport:
    """Give the sequences of a dataset captions.

    Every answer is in the cache before the next is waited for, and the manifest is written when
    the run ends in whatever way, so that stopping loses nothing but requests under way. The same
    call goes on from there. Sequences without a usable answer are left as they were and named.

    Args:
        config: which sequences, which model, which words.
        dry_run: say what would be asked and what it would take, and ask nothing.
        on_answer: called with the number of answers so far and of all.

    Raises:
        DatasetError: if the dataset or the cache is damaged.
        ConfigError: if the model cannot be asked at all; answers before that are kept.
        CheckpointError: if a local model cannot be loaded.
    """
    work = _Work(config)
    if dry_run:
        return work.report(work.expected())
    started = time.perf_counter()
    try:
        if work.left:
            _ask_all(work, on_answer or _nobody)
    finally:
        work.seconds = time.perf_counter() - started
        work.save()
    return work.report()


class _Work:
    """What is known, what is left to ask for, and what became of it."""

    def __init__(self, config: CaptionConfig) -> None:
        self.config = config
        self.folder = SequenceFolder(config.dataset)
        self.entries = self.folder.entries
        self.chosen = select_split(self.entries, config.split)
        self._index = {entry.id: number for number, entry in enumerate(self.entries)}
        exemplars = []
        if config.exemplars is not None:
            exemplars = load_exemplars(config.exemplars, self._exemplar, config)
        self.conversation = Conversation(config, exemplars)
        self.cache = AnswerCache(config.cache_file)
        self.left: dict[str, Asked] = {}
        self.known: dict[str, Answered] = {}
        self.new: dict[str, Answered] = {}
        self.failed: dict[str, str] = {}
        self.seconds = 0.0
        for entry in self.chosen:
            if entry.caption and not config.replace:
                continue
            asked = self._asked(entry)
            found = self.cache.find(asked)
            if found is None:
                self.left[entry.id] = asked
            else:
                self.known[entry.id] = found
        self.to_ask = list(islice(self.left, config.limit))

    def turns(self, name: str) -> list[Turn]:
        """All that is said about a sequence."""
        sequence = self.folder[self._index[name]]
        hint = self.left[name].hint
        return self.conversation.turns(sequence.frames, sequence.layout, hint)

    def keep(self, name: str, answered: Answered) -> None:
        """An answer has come."""
        self.cache.keep(self.left.pop(name), answered)
        self.new[name] = answered

    def save(self) -> None:
        """Write the captions that are there into the manifest, if any is new."""
        answers = self.known | self.new
        told = [
            entry.model_copy(update={"caption": answers[entry.id].fields["caption"]})
            if entry.id in answers
            else entry
            for entry in self.entries
        ]
        if told != self.entries:
            save_manifest(self.config.dataset, told)

    def expected(self) -> Expected:
        """What the requests that are left would take."""
        found: dict[tuple[str, bool], Answered] = {}
        tokens_in = tokens_out = seconds = 0.0
        for name in self.to_ask:
            asked = self.left[name]
            key = asked.version, bool(asked.hint)
            if key not in found:
                found[key] = self.cache.usual(asked.model, asked.version) or Answered(
                    {}, sum(_tokens_of(turn) for turn in self.turns(name)), ANSWER_TOKENS, math.nan
                )
            tokens_in += found[key].tokens_in
            tokens_out += found[key].tokens_out
            seconds += found[key].seconds
        at_once = 1 if self.config.local else self.config.concurrency
        return Expected(
            tokens_in=round(tokens_in),
            tokens_out=round(tokens_out),
            cost=self._cost(tokens_in, tokens_out),
            seconds=None if math.isnan(seconds) else seconds / at_once,
        )

    def report(self, expected: Expected | None = None) -> CaptionReport:
        """What became of it."""
        tokens_in = sum(answer.tokens_in for answer in self.new.values())
        tokens_out = sum(answer.tokens_out for answer in self.new.values())
        return CaptionReport(
            dataset=str(self.config.dataset),
            model=self.config.model,
            sequences=len(self.chosen),
            had_captions=len(self.chosen) - len(self.known) - len(self.new) - len(self.left),
            known=len(self.known),
            asked=len(self.new),
            left=len(self.left),
            failed=self.failed,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost=self._cost(tokens_in, tokens_out),
            seconds=self.seconds,
            expected=expected,
        )

    def _asked(self, entry: Entry) -> Asked:
        content = f"{entry.sha256} {entry.layout}"
        version = self.conversation.version(entry.grid_layout)
        return Asked(content, self.conversation.hint_of(entry), self.config.model, version)

    def _exemplar(self, name: str) -> tuple[FrameArray, Layout]:
        if name not in self._index:
            raise ConfigError(f"The exemplars name {name}, which is no sequence of the dataset.")
        sequence = self.folder[self._index[name]]
        return sequence.frames, sequence.layout

    def _cost(self, tokens_in: float, tokens_out: float) -> float | None:
        config = self.config
        if config.price_in is None or config.price_out is None:
            return None
        return (tokens_in * config.price_in + tokens_out * config.price_out) / 1e6


def _ask_all(work: _Work, on_answer: Callable[[int, int], None]) -> None:
    """Ask for all that is left, some at a time; give up when none of a row is answered."""
    captioner = open_captioner(work.config)
    patience = max(3, captioner.concurrency)
    names: Iterator[str] = iter(work.to_ask)
    pending: dict[Future[Answered], str] = {}
    done, in_a_row = 0, 0
    with ThreadPoolExecutor(captioner.concurrency) as pool:
        try:
            while True:
                for name in islice(names, captioner.concurrency - len(pending)):
                    turns = work.turns(name)
                    pending[pool.submit(_answer, captioner, work.conversation, turns)] = name
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    name = pending.pop(future)
                    try:
                        work.keep(name, future.result())
                        in_a_row = 0
                    except (FailedError, UnusableError) as error:
                        work.failed[name] = str(error)
                        in_a_row += isinstance(error, FailedError)
                        if in_a_row == patience:
                            raise ConfigError(
                                f"{in_a_row} requests in a row failed, the last one because "
                                f"{error}. {len(work.new)} answers are kept: mend it and run the "
                                "same command again."
                            ) from error
                    done += 1
                    on_answer(done, len(work.to_ask))
        finally:
            captioner.close()
            pool.shutdown(cancel_futures=True)
            for future, name in pending.items():  # answered while another one failed for good
                if future.done() and not future.cancelled() and future.exception() is None:
                    work.keep(name, future.result())


def _answer(captioner: Captioner, conversation: Conversation, turns: list[Turn]) -> Answered:
    """An answer that can be used, or the reason why there is none."""
    config, started = conversation.config, time.perf_counter()
    tokens_in = tokens_out = 0
    for attempt in range(config.attempts):
        said = "It was cut off or refused."
        try:
            reply = captioner.ask(turns, conversation.schema)
            said = reply.text
            tokens_in += reply.tokens_in
            tokens_out += reply.tokens_out
            fields = read_answer(said, config.style, config.max_words)
        except UnusableError as error:
            if attempt + 1 == config.attempts:
                raise UnusableError(
                    f"no usable answer in {config.attempts} attempts. {error}"
                ) from error
            again = Turn("user", AGAIN.format(why=error))
            turns = [*turns, Turn("assistant", said), again] if said else [*turns, again]
        else:
            return Answered(fields, tokens_in, tokens_out, time.perf_counter() - started)
    raise AssertionError("attempts is at least 1")


def _tokens_of(turn: Turn) -> int:
    """About so many tokens, as Qwen-VL and GLM-4V count pictures."""
    pictures = (
        math.ceil(picture.shape[0] / PATCH_PX) * math.ceil(picture.shape[1] / PATCH_PX)
        for picture in turn.pictures
    )
    return sum(pictures) + len(turn.text) // LETTERS_PER_TOKEN


def _priced(cost: float | None) -> str:
    return "" if cost is None else f", at a cost of {cost:.2f}"


def _nobody(done: int, total: int) -> None:
    """Nobody wants to know."""
