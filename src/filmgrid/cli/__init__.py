"""The command line: a subcommand becomes a configuration, then one library call. No tensors.

Settings are read when their command is asked for, and heavy imports wait until it runs, so that
``--help`` and mistakes answer at once.
"""

import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from filmgrid import __version__
from filmgrid.errors import FilmgridError

DESCRIPTION = "Image sequences (video, turntables, time-lapse) from image models, as one grid."
DATASET = "Build, render, caption, preview and measure datasets."
MEASURE = "Measure a model on the procedural world: each figure beside its bars."
COMMANDS = {
    "generate": "Generate a sequence from words, images or another sequence.",
    "plan": "Say what a generation would take: tokens, operations, memory, time on common GPUs.",
    "verify-lora": "Say whether LoRAs fit a model, what they move, and whether single images are "
    "kept.",
    "probe": "Say how well a model holds a grid before it is trained on any, and draw it.",
    "train": "Train a model from scratch, or go on with a run that was stopped.",
    "dataset": DATASET,
    "info": "Show what a file holds and how it came to be.",
    "import-dit": "Make a checkpoint of DiT or GriDiT (.pt) a model.",
    "split": "Cut a grid picture into its frames.",
    "pack": "Lay the frames of a video or folder out as one grid picture.",
    "upscale": "Enlarge the frames of a clip of any length.",
    "slices": "Cut a volume (NIfTI, DICOM, NRRD) into frames.",
    "volume": "Make a volume of frames, with the place and spacing of another.",
    "thin": "Make slices between those of a volume.",
    "evaluate": "Measure a model on the procedural world (evaluate MODEL), or compare made clips "
    "with real ones and say how much of each number is noise.",
    "compare": "Say whether one run is better than another, clip by clip.",
    "report": "Write the report of an evaluation: tables, plots and moving clips, worst ones "
    "first.",
    "metrics": "List the metrics of filmgrid evaluate: what each is and what it needs.",
    "protocol": "Evaluate as a paper did: say what to download and where to put it, check it, "
    "measure.",
    "bench": "Time and weigh tasks, models and pipelines of diffusers side by side in one run.",
    "models": "List the models inside the package.",
    "serve": "Serve the studio and its API: jobs that outlive closed tabs and dead workers.",
    "repro": "Make a sequence again from a file of filmgrid, or from the job.json of a server.",
}
DATASET_COMMANDS = {
    "build": "Cut videos, folders of frames, strips or mosaics into sequences to train on.",
    "caption": "Caption sequences with a vision-language model, here or at an endpoint.",
    "render": "Render turntables of meshes, with the cameras beside their frames.",
    "preview": "Draw exactly what is trained on: grids with frame numbers, captions and sources.",
    "stats": "Count and measure the sequences of a dataset.",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exits with 2 after a user's mistake, which it explains in one line."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries are not ours to tell
    for noisy in ("diffusers", "accelerate", "torch", "torchao", "PIL", "httpx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        try:
            run(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on, as after `| head`
        if debug:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        raise SystemExit(1) from None
    except FilmgridError as error:
        if debug:
            raise
        print(f"filmgrid: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        if debug:
            raise
        print("filmgrid: stopped. What was finished is kept.", file=sys.stderr)
        raise SystemExit(130) from None
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        full = isinstance(error, MemoryError) or "memory" in text or "numel" in text
        if debug or not full:
            raise
        print(
            "filmgrid: the memory is full. Use a smaller --layout, --cell or --batch; "
            "--dry-run says how much each needs.",
            file=sys.stderr,
        )
        raise SystemExit(2) from None


def run(words: list[str]) -> None:
    """Find the command and carry it out."""
    name = _command("filmgrid", DESCRIPTION, COMMANDS, words)
    sentence, words = COMMANDS[name], words[1:]
    if name == "dataset":
        part = _command("filmgrid dataset", DATASET, DATASET_COMMANDS, words)
        name, sentence, words = f"dataset {part}", DATASET_COMMANDS[part], words[1:]
    elif name == "evaluate" and words and not words[0].startswith("-"):
        name, sentence = "measure", MEASURE
    from filmgrid.cli.actions import carry_out

    carry_out(name, sentence, words)


def _command(prog: str, description: str, sentences: dict[str, str], words: list[str]) -> str:
    """Which command the first word names; without one, or after a mistake, the parser exits."""
    parser = ArgumentParser(prog=prog, description=description)
    if sentences is COMMANDS:
        parser.add_argument("--version", action="version", version=f"filmgrid {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, sentence in sentences.items():
        commands.add_parser(name, help=sentence, add_help=False)
    return parser.parse_args(words[:1]).command
