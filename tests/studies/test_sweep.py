"""The presets are those of the sweep."""

import json
from pathlib import Path

import pytest

from fuzzydiff_lite import restore
from studies import sweep, tasks

pytestmark = pytest.mark.studies

SWEEP = Path(__file__).parents[2] / "book" / "data" / "sweep.json"
ROWS = json.loads(SWEEP.read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize(
    "title, method", [(title, method) for title, rows in ROWS.items() for method in rows]
)
def test_the_settings_are_as_good_as_any_that_were_tried(title, method):
    chosen = restore.settings(tasks.TASKS[title], method)
    rows = ROWS[title][method]
    (used,) = [row for row in rows if row["settings"].items() <= chosen.items()]
    assert used["psnr"] >= max(row["psnr"] for row in rows) - sweep.MARGIN


def test_the_sweep_tried_every_method_with_something_to_choose():
    for title in sweep.TITLES:
        for method in set(restore.TASKS[tasks.TASKS[title]]) & set(sweep.AXES):
            tried = [row["settings"] for row in ROWS[title][method]]
            assert tried == list(sweep.combinations(method, sweep.is_noisy(title)))
