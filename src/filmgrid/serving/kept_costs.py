"""What steps cost, kept in the workspace: workers add what they timed, plans are told by it."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from filmgrid.serving.database import Database
from filmgrid.serving.step_costs import Timings

MOST_SHAPES = 500
"""Shapes that are kept: those that were timed last."""


class KeptCosts:
    """Timings of a workspace.

    Args:
        database: of the workspace.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def read(self) -> dict[str, Any]:
        """All that is kept, as :meth:`~filmgrid.serving.step_costs.CostModel.restore` takes it."""
        told = Timings()
        for row in self.database.connection.execute("SELECT told FROM costs ORDER BY rowid"):
            told.restore(json.loads(row[0]))
        return told.snapshot()

    def add(self, news: Mapping[str, Any]) -> None:
        """Add what one worker has learned, after what others have.

        Args:
            news: from :meth:`~filmgrid.serving.step_costs.CostModel.news`.
        """
        by_shape = _by_shape(news)
        if not by_shape:
            return
        with self.database.write() as db:
            for shape, fresh in by_shape.items():
                told = Timings()
                row = db.execute("SELECT told FROM costs WHERE shape = ?", (shape,)).fetchone()
                if row is not None:
                    told.restore(json.loads(row[0]))
                told.restore(fresh)
                text = json.dumps(told.snapshot())
                db.execute("INSERT OR REPLACE INTO costs VALUES (?, ?)", (shape, text))
            db.execute(
                "DELETE FROM costs WHERE rowid NOT IN"
                " (SELECT rowid FROM costs ORDER BY rowid DESC LIMIT ?)",
                (MOST_SHAPES,),
            )


def _by_shape(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each shape's own part of a snapshot."""
    parts: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"predicted": {}, "steps": [], "endings": {}}
    )
    for kind in ("predicted", "endings"):
        for shape, value in told[kind].items():
            parts[shape][kind][shape] = value
    for step in told["steps"]:
        parts[step[0]]["steps"].append(step)
    return parts
