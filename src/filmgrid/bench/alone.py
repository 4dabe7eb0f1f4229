"""One subject in a process of its own: ``python -m filmgrid.bench.alone CONFIG`` tells its peak."""

import json
import sys

from filmgrid.bench.config import BenchConfig
from filmgrid.bench.memory import own_peak
from filmgrid.bench.run import open_subjects
from filmgrid.errors import FilmgridError


def main(words: list[str]) -> None:
    """Open the one subject of a configuration in JSON, run it twice, print the peak in bytes."""
    try:
        (subject,) = open_subjects(BenchConfig(**json.loads(words[0])))
        for _ in range(2):  # the second as in a process that stays
            subject.run()
    except FilmgridError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    print(json.dumps({"peak_bytes": own_peak()}))


if __name__ == "__main__":
    main(sys.argv[1:])
