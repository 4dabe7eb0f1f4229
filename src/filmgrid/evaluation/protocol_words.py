"""Protocols in words: what to download, where to put it, how it is measured. Free of torch."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filmgrid.evaluation.protocol_presets import PROTOCOLS
from filmgrid.evaluation.protocol_spec import Protocol


def in_words() -> str:
    """All protocols as a list for people."""
    widest = max(map(len, PROTOCOLS))
    return "\n".join(
        f"{each.name:<{widest + 2}}{each.title} ({each.source})" for each in PROTOCOLS.values()
    )


def described(protocol: Protocol, data: Path) -> str:
    """What one needs and does, for people."""
    load = protocol.download
    rows = [
        ("what", f"{protocol.title}; {protocol.source}"),
        ("download", f"{load.name}: {load.page}"),
        ("", f"{load.size}; licence: {load.licence} (not verified: {load.unverified})"),
        *(
            (
                "put it at" if index == 0 else "or at",
                f"{', '.join(str(data / path) for path in paths)}: {holds}",
            )
            for index, (holds, paths) in enumerate(_places(protocol).items())
        ),
        *(
            (
                "weights" if index == 0 else "",
                f"{' and '.join(str(data / 'weights' / name) for name in each.files)}: "
                f"{each.source}",
            )
            for index, each in enumerate(protocol.weights)
        ),
        ("clips", clips(protocol)),
        ("metrics", f"{', '.join(protocol.metrics)}; ours: {', '.join(protocol.beside) or 'none'}"),
        *(("choice" if i == 0 else "", choice) for i, choice in enumerate(protocol.choices)),
        ("make", protocol.making),
        ("names", protocol.naming),
        *_figures(protocol),
    ]
    return "\n".join(f"{head:<11}{text}" for head, text in rows)


def as_record(protocol: Protocol) -> dict[str, Any]:
    """As it is written to JSON, with the clips to make where these are known beforehand."""
    prompts = protocol.prompts() if protocol.prompts else []
    record = asdict(replace(protocol, prompts=None))
    return record | {"prompts": [prompt._asdict() for prompt in prompts]}


def clips(protocol: Protocol) -> str:
    """How many clips there are and which frames of them are taken, in one sentence."""
    where = {
        "first": "the first ones",
        "centre": "from the middle",
        "random": "from a seeded start",
    }
    size = f", brought to {protocol.size} px ({protocol.fit})" if protocol.size else ", as they are"
    count = "" if protocol.num_real is None else f"{protocol.num_real:,} real ones in all, "
    frames = f"{protocol.frames} frame{'s' if protocol.frames > 1 else ''}"
    return f"{count}{protocol.num_made:,} to make; {frames}, {where[protocol.start]}{size}"


def section(protocol: Protocol) -> str:
    """One protocol as a section in Markdown."""
    load = protocol.download
    lines = [
        f"## {protocol.name}",
        "",
        f"{protocol.title}. {protocol.source}.",
        "",
        "| | |",
        "|---|---|",
        f"| download | {load.name}: <{load.page}> |"
        if " " not in load.page
        else f"| download | {load.name}: {load.page} |",
        f"| size | {load.size} |",
        f"| licence | {load.licence} |",
        f"| not verified | {load.unverified} |",
        *(
            f"| {'put it at' if index == 0 else 'or at'} | "
            f"{', '.join(f'`DATA/{path}`' for path in paths)}: {holds} |"
            for index, (holds, paths) in enumerate(_places(protocol).items())
        ),
        *(
            f"| weights | {' and '.join(f'`DATA/weights/{name}`' for name in each.files)}: "
            f"{each.source} |"
            for each in protocol.weights
        ),
        f"| clips | {clips(protocol)} |",
        f"| metrics | {', '.join(f'`{name}`' for name in protocol.metrics)} |",
        *(
            [f"| ours beside | {', '.join(f'`{name}`' for name in protocol.beside)} |"]
            if protocol.beside
            else []
        ),
        f"| names of made clips | {protocol.naming} |",
        "",
        "```",
        protocol.making,
        "```",
        "",
        *(f"- {choice}" for choice in protocol.choices),
        "",
        *_table(protocol),
    ]
    return "\n".join(lines)


def _places(protocol: Protocol) -> dict[str, list[str]]:
    """Where the data may lie, by what lies there."""
    found: dict[str, list[str]] = {}
    for place in protocol.places:
        found.setdefault(place.holds, []).append(place.path)
    return found


def _figures(protocol: Protocol) -> list[tuple[str, str]]:
    figures = protocol.figures
    rows = [
        (
            "published" if index == 0 else "",
            f"{method}: "
            + ", ".join(
                f"{name} {number(value)}"
                for name, value in zip(figures.columns, values, strict=True)
            ),
        )
        for index, (method, values) in enumerate(figures.rows)
    ]
    return [*rows, ("" if rows else "published", figures.weakness)]


def number(value: float) -> str:
    """A published number with the digits that papers give it."""
    return f"{value:.4f}" if value < 1 else f"{value:g}"


def _table(protocol: Protocol) -> list[str]:
    figures = protocol.figures
    if not figures.rows:
        return [figures.weakness, ""]
    return [
        f"| published | {' | '.join(f'`{name}`' for name in figures.columns)} |",
        f"|---|{'---|' * len(figures.columns)}",
        *(
            f"| {method} | {' | '.join(number(value) for value in values)} |"
            for method, values in figures.rows
        ),
        "",
        figures.weakness,
        "",
    ]
