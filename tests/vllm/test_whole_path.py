"""The whole path over vLLM: one command starts the servers that each stage needs, and ends them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tessy.records import Trajectory, read_jsonl
from tests.engines.serving.parts import processes
from tests.test_whole_path import command, results


@pytest.mark.timeout(900)  # servers start four times
def test_a_tessy_run_over_local_servers_ends_with_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("TESSY_TEST_MARK", str(outputs))  # all processes of the run inherit it
    options = ("engine=vllm", "serve=local", "method=[tessy]", "tracking=none")
    done = subprocess.run(
        command(outputs, *options), cwd=tmp_path, capture_output=True, text=True, timeout=880
    )
    assert done.returncode == 0, done.stderr
    assert [r["method"] for r in results(outputs)] == ["base", "tessy"]
    (folder,) = (outputs / "artifacts" / "synthesize").iterdir()
    samples = list(read_jsonl(folder / "trajectories.jsonl", Trajectory))
    assert len({t.key for t in samples}) == len(samples) == 24
    assert {s.writer for t in samples for s in t.spans if s.part == "think"} == {
        "student",
        "teacher",
    }
    counts = json.loads((folder / "manifest.json").read_text())["counts"]
    assert counts["failed"] == 0 and counts["teacher.requests"] > 24
    logs = sorted(p.relative_to(outputs) for p in outputs.glob("artifacts/*/*/servers/*.log"))
    assert [p.name for p in logs] == ["student-0.log", "student-0.log", "student-0.log",
                                      "teacher-0.log"]  # fmt: skip
    assert processes(str(outputs)) == []
