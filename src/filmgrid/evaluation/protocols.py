"""Check what is there of a protocol's data, and measure on that. Free of torch.

::

    protocol = find_protocol("ucf101-16")
    check_protocol(protocol, Path("data")).text()      # what is found, missing, wrong
    evaluate(protocol_config(protocol, Path("data"), Path("made"), weights=("i3d=random:0",)))
"""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filmgrid.errors import ConfigError, DatasetError, MediaError
from filmgrid.evaluation.catalogue import WEIGHTS_OF, Metric, find_metric
from filmgrid.evaluation.clips import ClipSet, counted, partners
from filmgrid.evaluation.config import ALL_OFFLINE, EvaluateConfig
from filmgrid.evaluation.instruments import random_seed
from filmgrid.evaluation.measure import clip_sets
from filmgrid.evaluation.protocol_presets import PROTOCOLS as PROTOCOLS
from filmgrid.evaluation.protocol_spec import Place, Protocol, WeightsFile
from filmgrid.evaluation.protocol_words import number
from filmgrid.evaluation.selection import Selection
from filmgrid.metrics.floors import FVD_SAMPLE

Status = Literal["found", "missing", "wrong"]

LOOKED_AT = 20
"""Real clips whose length is looked at by a check."""
FEW = 64
"""Real clips that are always all used; of more, twice as many as made ones."""
COUNTED = 512
"""Real clips up to which all are looked at before anything is measured."""
LEAST_REAL, LEAST_MADE = 4, 2
"""Clips from which on there are distances with a floor."""
APART = ((32, 631), (100, 476), (300, 266), (2048, 39))
"""Fréchet distance of two samples of one distribution with 400 features, by their size."""


def find_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ConfigError: if there is none, with the nearest names.
    """
    plain = name.lower().replace("_", "-")
    if plain in PROTOCOLS:
        return PROTOCOLS[plain]
    near = difflib.get_close_matches(plain, PROTOCOLS, n=2, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(PROTOCOLS)}."
    raise ConfigError(f"{name!r} is no protocol. {hint}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a protocol needs.

    Args:
        what: the thing.
        status: whether it is there and fits.
        told: one sentence, with the nearest fix.
    """

    what: str
    status: Status
    told: str


@dataclass(frozen=True, slots=True)
class ProtocolState:
    """What is there of a protocol.

    Args:
        protocol: that was checked.
        findings: real clips, weights and made clips.
        place: where the real clips are.
        real: the real clips.
        made: the made clips.
        weights: place of trained weights that were found, by name.
    """

    protocol: Protocol
    findings: tuple[Finding, ...]
    place: Place | None
    real: ClipSet | None
    made: ClipSet | None
    weights: dict[str, str]

    @property
    def is_there(self) -> bool:
        """Whether there are real clips, so that something can be measured."""
        return self.real is not None

    @property
    def trust(self) -> str:
        """How far numbers of so many clips can be trusted; nothing where there are none."""
        if self.real is None:
            return ""
        made = self.protocol.num_made if self.made is None else len(self.made)
        return trust(self.protocol, len(self.real), made)

    def as_record(self) -> dict[str, Any]:
        """As it is written to JSON."""
        return {
            "findings": [asdict(each) for each in self.findings],
            "real_clips": 0 if self.real is None else len(self.real),
            "trust": self.trust,
        }

    def text(self) -> str:
        """As lines for people."""
        lines = [f"{each.status:<8}{each.what}: {each.told}" for each in self.findings]
        return "\n".join([*lines, *([self.trust] if self.trust else [])])


def trust(protocol: Protocol, num_real: int, num_made: int) -> str:
    """How far the numbers of so many clips can be trusted, in one sentence."""
    if not any(find_metric(name).kind == "distance" for name in protocol.metrics):
        return (
            f"Scores are means over {min(num_real, num_made)} clips with their intervals; two "
            "methods are told apart clip by clip with filmgrid compare."
        )
    used = min(num_made, num_real // 2)
    if used >= FVD_SAMPLE:
        return (
            f"Distances are from {min(used, protocol.num_made):,} clips on each side, enough for a "
            "Fréchet distance to stand beside published ones of the same preprocessing."
        )
    size, apart = min(APART, key=lambda pair: abs(pair[0] - used))
    return (
        f"Distances beside their floors are from {used} clips on each side: two samples of one "
        f"distribution with 400 features are {apart} apart at {size} and {APART[-1][1]} at "
        f"{FVD_SAMPLE:,}, so read the floor and the MMD, and no published FVD beside it."
    )


def check_protocol(
    protocol: Protocol,
    data: Path,
    generated: Path | None = None,
    weights: Sequence[str] = (),
    frames: int | None = None,
) -> ProtocolState:
    """Look for what a protocol needs; only a few clips are opened.

    Args:
        protocol: which.
        data: folder that holds the datasets, and ``weights/``.
        generated: folder of the made clips.
        weights: ``NAME=PLACE`` of weights that lie elsewhere.
        frames: that are used, instead of the protocol's.
    """
    frames = frames or protocol.frames
    place, real, finding = _real_clips(protocol, data, frames)
    findings = [finding]
    named: dict[str, str] = {}
    for text in weights:
        name, _, at = text.partition("=")
        named[name] = at
    there: dict[str, str] = {}
    for needed in protocol.weights:
        if needed.name in named:
            findings.append(_named_weights(needed, named[needed.name]))
            continue
        at, finding = _weights(needed, protocol, data)
        findings.append(finding)
        if at is not None:
            there[needed.name] = at
    made = None
    if generated is not None:
        made, finding = _made_clips(protocol, generated, frames)
        findings.append(finding)
    return ProtocolState(protocol, tuple(findings), place, real, made, there)


def protocol_config(
    protocol: Protocol, data: Path, generated: Path, **overrides: Any
) -> EvaluateConfig:
    """The evaluation of a protocol on what is there, with sentences on what is left out.

    Metrics whose weights or clips are missing are left out, with their weights, and so are surplus
    clips; the notes of the configuration, which the evaluation keeps, say so.

    Args:
        protocol: which.
        data: folder that holds the datasets, and ``weights/``.
        generated: folder of the made clips.
        overrides: settings of :class:`~.config.EvaluateConfig`, instead of the protocol's; clips
            is at most so many.

    Raises:
        ConfigError: if nothing can be measured, or the made clips are shorter than the protocol's.
    """
    named = tuple(overrides.pop("weights", None) or ())
    hashes = tuple(overrides.pop("sha256", None) or ())
    frames = overrides.pop("frames", None) or protocol.frames
    state = check_protocol(protocol, data, generated, named, frames)
    if state.place is None or state.real is None or state.made is None:
        lacking = state.findings[0 if state.real is None else -1]
        raise ConfigError(f"Nothing of {protocol.name} can be measured. {lacking.told}")
    _check_length(protocol, state.made, frames)
    metrics = overrides.pop("metrics", None) or (*protocol.metrics, *protocol.beside)
    wanted = overrides.pop("clips", None) or protocol.num_made
    most = max(FEW, 2 * min(len(state.made), wanted))
    surplus = len(state.made) > wanted
    settings: dict[str, Any] = {
        "real": state.place.under(data),
        "generated": generated,
        "metrics": tuple(metrics),
        "frames": frames,
        "start": protocol.start,
        "size": protocol.size,
        "fit": protocol.fit,
        "clips": wanted if surplus else None,
        "real_clips": most if surplus or len(state.real) > most else None,
        "real_names": state.place.names,
        "real_pictures": state.place.pictures,
        "skip_short": True,
        "weights": named,
        "sha256": hashes,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    config = EvaluateConfig(**(settings | given))
    sides = (state.real, state.made)
    if len(state.real) <= COUNTED:
        sides = clip_sets(config)  # what is left of them without short ones
    left, notes = _measurable(state, *sides, config.metrics)
    if not left:
        raise ConfigError(f"Nothing of {protocol.name} can be measured. {' '.join(notes)}")
    if config.clips is not None:
        notes.append(f"Of {len(state.made):,} made clips {config.clips:,} are used.")
    if config.real_clips is not None and config.real_clips < len(state.real):
        notes.append(f"Of {len(state.real):,} real clips at most {config.real_clips:,} are used.")
    found = (f"{name}={at}" for name, at in state.weights.items())
    settings |= {
        "metrics": left,
        "weights": _used((*named, *found), left),
        "sha256": _used(hashes, left),
        "notes": (_published(protocol), *notes),
    }
    return EvaluateConfig(**(settings | given))


def _used(texts: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    """Those of some ``NAME=…`` whose weights these metrics need."""
    names = {_weights_of(find_metric(name)) for name in metrics if name != ALL_OFFLINE}
    return tuple(text for text in texts if text.partition("=")[0] in names)


def _real_clips(
    protocol: Protocol, data: Path, frames: int
) -> tuple[Place | None, ClipSet | None, Finding]:
    """The first place that holds clips."""
    name, wrong = protocol.download.name, ""
    deepest = sorted(protocol.places, key=lambda place: -len(Path(place.path).parts))
    for place in deepest:  # a folder unpacked into one of its own name
        folder = place.under(data)
        if not folder.exists():
            continue
        try:
            clips = ClipSet(
                folder, frames=1, select=Selection(names=place.names, pictures=place.pictures)
            )
            told, fits = _about_real(protocol, clips, frames)
        except (DatasetError, MediaError) as error:
            wrong = wrong or f"{_foreign(protocol, folder)}{error}"
            continue
        if fits:
            return place, clips, Finding(name, "found", told)
        wrong = wrong or told
    if wrong:
        return None, None, Finding(name, "wrong", wrong)
    return None, None, Finding(name, "missing", _how_to_get(protocol, data))


def _about_real(protocol: Protocol, clips: ClipSet, frames: int) -> tuple[str, bool]:
    """A sentence on the real clips, and whether some of them are long enough."""
    names = clips.names
    step = max(1, len(names) // LOOKED_AT)
    lengths = [clips.num_frames(name) for name in names[::step][:LOOKED_AT]]
    short = sum(length < frames for length in lengths)
    whole = protocol.num_real
    of = "" if whole is None or len(names) >= whole else f" of the {whole:,}"
    told = f"{len(names):,}{of} clips in {clips.path}, the first of {clips[names[0]].size} px"
    if short == len(lengths):
        return (
            f"{told}, but the {short} looked at have {_span(lengths)} and "
            f"{frames} are needed. Put {protocol.places[0].holds} there.",
            False,
        )
    if short:
        return (
            f"{told}; {short} of {len(lengths)} looked at have fewer than "
            f"{counted(frames, 'frame')} and will be left out.",
            True,
        )
    return f"{told}, {_span(lengths)}.", True


def _span(lengths: Sequence[int]) -> str:
    least, most = min(lengths), max(lengths)
    return f"{'' if least == most else f'{least} to '}{counted(most, 'frame')}"


def _foreign(protocol: Protocol, folder: Path) -> str:
    """A sentence, if the folder holds files that are known and not read."""
    if protocol.foreign is None:
        return ""
    suffix, advice = protocol.foreign
    found = folder.is_dir() and any(folder.rglob(f"*{suffix}"))
    return f"{folder} holds {suffix} files, and {advice}. " if found else ""


def _how_to_get(protocol: Protocol, data: Path) -> str:
    """The nearest step to having the real clips."""
    usual = protocol.places[0]
    goal = f"{usual.under(data)} holds {usual.holds}"
    archive = next((name for name in protocol.download.archives if (data / name).exists()), None)
    if archive is not None:
        return f"Unpack {data / archive} so that {goal}."
    first = Path(usual.path).parts[0]
    if data.name == first:
        return f"There is no {usual.under(data)}. Name the folder above: --data {data.parent}."
    if not data.is_dir():
        return f"There is no folder {data}. Name the one that holds the datasets with --data."
    return f"Download it from {protocol.download.page} so that {goal}."


def _named_weights(needed: WeightsFile, named: str) -> Finding:
    what = f"weights {needed.name}"
    if random_seed(named) is not None:
        return Finding(what, "found", "random ones, a test of the way and no result.")
    if Path(named).exists() or (needed.hub and not named.startswith((".", "/"))):
        return Finding(what, "found", f"{named}.")
    return Finding(what, "wrong", f"There is no {named}. Correct --weights.")


def _weights(needed: WeightsFile, protocol: Protocol, data: Path) -> tuple[str | None, Finding]:
    """Where the weights of a name were found, and a sentence on it."""
    what = f"weights {needed.name}"
    folder = data / "weights"
    if all((folder / name).exists() for name in needed.files):
        at = str(folder / needed.files[0])
        return at, Finding(what, "found", f"{at}.")
    if needed.hub and _is_cached(needed.hub):
        return needed.hub, Finding(what, "found", f"{needed.hub}, in the cache of the Hub.")
    uses = [each for each in protocol.metrics if _weights_of(find_metric(each)) == needed.name]
    places = " and ".join(str(folder / name) for name in needed.files)
    named_as = needed.hub or "PATH"
    return None, Finding(
        what,
        "missing",
        f"For {' and '.join(uses)}, put {needed.source}, at {places}, or name it with --weights "
        f"{needed.name}={named_as}.",
    )


def _weights_of(metric: Metric) -> str | None:
    return next((WEIGHTS_OF[each] for each in metric.instruments if each in WEIGHTS_OF), None)


def _is_cached(model: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(model, name), str)
        for name in ("model.safetensors", "pytorch_model.bin")
    )


def _made_clips(protocol: Protocol, generated: Path, needed: int) -> tuple[ClipSet | None, Finding]:
    try:
        made = ClipSet(generated, frames=1)
        first = made[made.names[0]]
        frames = made.num_frames(first.name)
    except (DatasetError, MediaError) as error:
        return None, Finding("made clips", "missing", str(error))
    status: Status = "wrong" if frames < needed else "found"
    return made, Finding(
        "made clips",
        status,
        f"{len(made):,} of {protocol.num_made:,}, the first of {counted(frames, 'frame')} and "
        f"{first.size} px; the protocol uses {needed}.",
    )


def _check_length(protocol: Protocol, made: ClipSet, frames: int) -> None:
    """Refuse made clips that are too short, by the first of them.

    Raises:
        ConfigError: if it is.
    """
    name = made.names[0]
    length = made.num_frames(name)
    if length < frames:
        raise ConfigError(
            f"{name} in {made.path} has {counted(length, 'frame')}, and {protocol.name} measures "
            f"{frames}. Make longer clips, or use --frames {length}, whose numbers are not the "
            "protocol's."
        )


def _measurable(
    state: ProtocolState, real: ClipSet, made: ClipSet, names: Sequence[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Metrics that what is there allows, and a sentence on each reason to leave some out."""
    lacking: dict[str, list[str]] = {}
    left: list[str] = []
    for name in names:
        if name == ALL_OFFLINE:  # an evaluation leaves out of these what it cannot measure
            left.append(name)
            continue
        metric = find_metric(name)
        weights = _weights_of(metric)
        missing = next((f for f in state.findings if f.what == f"weights {weights}"), None)
        if missing is not None and missing.status == "missing":
            lacking.setdefault(f"the weights {weights} are missing. {missing.told}", []).append(
                metric.name
            )
        elif metric.kind == "pair" and (reason := _unpaired(state.protocol, real, made)):
            lacking.setdefault(reason, []).append(metric.name)
        elif metric.kind == "distance" and (len(real) < LEAST_REAL or len(made) < LEAST_MADE):
            reason = (
                f"distances need {LEAST_REAL} real clips and {LEAST_MADE} made ones, and there are "
                f"{len(real)} and {len(made)}."
            )
            lacking.setdefault(reason, []).append(metric.name)
        else:
            left.append(name)
    return tuple(left), [f"Left out {', '.join(names)}: {why}" for why, names in lacking.items()]


def _unpaired(protocol: Protocol, real: ClipSet, made: ClipSet) -> str:
    """Why made clips cannot be compared with the real ones of their names; nothing if they can."""
    known = partners(real, made)
    missing = [name for name in made.names if name not in known]
    if not missing:
        return ""
    return (
        f"{len(missing)} of {len(made)} made clips have no real clip of their name, the first "
        f"{missing[0]}. Call them {protocol.naming}; the first real one is {real.names[0]}."
    )


def _published(protocol: Protocol) -> str:
    figures = protocol.figures
    head = f"Protocol {protocol.name}: {protocol.title} ({protocol.source})."
    printed = "; ".join(
        f"{method} {', '.join(map(_printed, figures.columns, values))}"
        for method, values in figures.rows
        if method in figures.own
    )
    return f"{head}{f' The paper prints: {printed}.' if printed else ''} {figures.weakness}"


def _printed(metric: str, value: float) -> str:
    return f"{metric} {number(value)}"
