"""What disturbs a run does disturb it, and what must be the same is compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.pipeline import MARK, left_over, outcome
from benchmarks.faults.servers import SAMPLES, servers


def test_servers_that_spoil_requests_in_every_way_change_no_text(tmp_path: Path) -> None:
    spoilt = servers(tmp_path)
    assert set(spoilt.faults) == {"http_500", "stalled", "dropped", "garbled", "unfinished"}
    assert sum(spoilt.faults.values()) > SAMPLES
    assert spoilt.lost == 0
    assert spoilt.same


def test_a_process_that_outlives_its_run_is_found(tmp_path: Path) -> None:
    sleeping = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=os.environ | {MARK: str(tmp_path)},
        start_new_session=True,
    )
    try:
        assert left_over(tmp_path, seconds=0.1) == 1
    finally:
        sleeping.kill()
        sleeping.wait()
    assert left_over(tmp_path) == 0


SAMPLE = {"question_id": "q", "repeat": 0, "finish": "complete"}
# Of each file what a run writes, what another may write, and what must not pass for the same.
FILES = {
    "artifacts/synthesize/tessy-1/trajectories.jsonl": (
        SAMPLE | {"spans": ["a"], "seconds": 1.0},
        SAMPLE | {"spans": ["a"], "seconds": 2.0},
        SAMPLE | {"spans": ["b"], "seconds": 1.0},
    ),
    "artifacts/sft/tessy-1/model/model.safetensors": (0.5, 0.5, 0.25),
    "artifacts/evaluate/tessy-1/answers.jsonl": ("accepted", "accepted", "wrong_answer"),
    "reports/mini/results.json": ([{"pass_at_1": 1}], [{"pass_at_1": 1}], [{"pass_at_1": 0}]),
}


@pytest.mark.parametrize("changed", FILES)
def test_any_difference_that_matters_is_seen(tmp_path: Path, changed: str) -> None:
    def written(name: str, which: int) -> Path:
        for place, contents in FILES.items():
            path = tmp_path / name / place
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(contents[which if which < 2 or place == changed else 0]))
        return tmp_path / name

    assert outcome(written("one", 0)) == outcome(written("alike", 1))
    assert outcome(written("other", 2)) != outcome(tmp_path / "one")
