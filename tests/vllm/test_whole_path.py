"""The whole path over vLLM: one command starts the servers that each stage needs, and ends them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tessy.records import Trajectory, read_jsonl
from tests.engines.serving.parts import processes, until
from tests.test_whole_path import command, results

OPTIONS = ("engine=vllm", "serve=local", "method=[tessy]", "tracking=none")


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outputs"
    monkeypatch.setenv("TESSY_TEST_MARK", str(folder))  # all processes of a run inherit it
    return folder


@pytest.mark.timeout(900)  # servers start five times
def test_a_tessy_run_killed_with_its_servers_up_leaves_none_and_goes_on_to_the_table(
    outputs: Path,
) -> None:
    victim = subprocess.Popen(
        command(outputs, *OPTIONS), cwd=outputs.parent, stderr=subprocess.DEVNULL
    )
    answers = "artifacts/evaluate/base-*/answers.jsonl"
    assert until(lambda: [p for p in outputs.glob(answers) if p.stat().st_size], 200)
    assert len(processes(str(outputs))) >= 4, "the run, a guardian, a server and its engine"
    victim.kill()
    victim.wait()
    assert until(lambda: not processes(str(outputs))), processes(str(outputs))

    done = subprocess.run(
        command(outputs, *OPTIONS), cwd=outputs.parent, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert [r["method"] for r in results(outputs)] == ["base", "tessy"]
    (folder,) = (outputs / "artifacts" / "synthesize").glob("[!.]*")
    samples = list(read_jsonl(folder / "trajectories.jsonl", Trajectory))
    assert len({t.key for t in samples}) == len(samples) == 24
    writers = {s.writer for t in samples for s in t.spans if s.part == "think"}
    assert writers == {"student", "teacher"}
    counts = json.loads((folder / "manifest.json").read_text())["counts"]
    assert counts["failed"] == 0 and counts["teacher.requests"] > 24
    logs = sorted(p.name for p in folder.glob("servers/*"))
    assert logs == ["student-0.log", "teacher-0.log"]
    assert processes(str(outputs)) == []
