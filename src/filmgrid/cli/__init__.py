"""The command line: a subcommand becomes a configuration, then one library call. No tensors.

Heavy imports wait until a command runs, so that ``--help`` and mistakes answer at once.
"""

import logging
import os
import sys
from collections.abc import Sequence

from filmgrid.cli.actions import COMMANDS, dispatch, measure, train_on, work_on_dataset
from filmgrid.errors import FilmgridError

DESCRIPTION = "Image sequences (video, turntables, time-lapse) from image models, as one grid."


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exits with 2 after a user's mistake, which it explains in one line."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries are not ours to tell
    for noisy in ("diffusers", "accelerate", "torch", "PIL", "httpx"):
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
    match words:
        case ["train", *rest]:
            train_on(rest)
        case ["dataset", *rest]:
            work_on_dataset(rest)
        case ["evaluate", model, *_] if not model.startswith("-"):
            measure(words[1:])
        case ["--version"]:
            from filmgrid import __version__

            print(f"filmgrid {__version__}")
        case _:
            dispatch(COMMANDS, words, "filmgrid", DESCRIPTION)
