"""Whole TESSY samples over HTTP servers that fail in mid-span: all end, none is doubled."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from tessy.config import EngineConfig, ServeConfig, ServerConfig
from tessy.errors import EngineDown
from tessy.records import Trajectory, read_jsonl
from tessy.synthesis.cast import Setup
from tessy.synthesis.run import synthesize
from tests.engines.server import TinyServer, threaded
from tests.synthesis.parts import QUESTIONS, SAMPLES, law, run, setup_of


def over(setup: Setup, student: TinyServer, teacher: TinyServer, **options: float) -> Setup:
    serve = ServeConfig(
        "external",
        student=ServerConfig((student.url,)),
        teacher=ServerConfig((teacher.url,)),
        stall_seconds=1.0,
        **options,  # type: ignore[arg-type]
    )
    return dataclasses.replace(setup, engine=EngineConfig("vllm", batch_size=4), serve=serve)


def made(setup: Setup, folder: Path) -> tuple[list[Trajectory], dict[str, float]]:
    folder.mkdir(exist_ok=True)
    counts = synthesize(QUESTIONS, SAMPLES, setup, folder, "http")
    return list(read_jsonl(folder / "trajectories.jsonl", Trajectory)), counts


def test_whatever_the_servers_do_all_samples_end_as_they_would_have(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    want, _ = run(tiny, tmp_path / "want", temperature=0.0)
    with threaded(tiny["student"]) as student, threaded(tiny["teacher"]) as teacher:
        setup = over(setup_of(tiny, temperature=0.0), student, teacher)
        done, counts = made(setup, tmp_path / "calm")
        assert law(done) == law(want) and not counts.get("student.retries", 0)
        for server in (student, teacher):
            server.fail("status", times=2, status=500)
            server.fail("drop", after=2, times=3)
            server.fail("unfinished", after=1, times=2)
            server.fail("short", after=1, times=2)
            server.fail("hang", after=1, times=1)
        done, counts = made(setup, tmp_path / "faulty")
    assert law(done) == law(want)
    assert [t.key for t in done] == SAMPLES and counts["failed"] == 0
    assert counts["student.retries"] >= 5 and counts["teacher.retries"] >= 5


def test_a_server_that_stays_away_stops_the_run_and_the_same_command_goes_on(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    want, _ = run(tiny, tmp_path / "want", temperature=0.0)
    folder = tmp_path / "stopped"
    with threaded(tiny["student"]) as student, threaded(tiny["teacher"]) as teacher:
        setup = over(setup_of(tiny, temperature=0.0), student, teacher, patience_seconds=1.0)
        journal = folder / "journal.jsonl"

        def kill() -> None:
            while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
                time.sleep(0.002)
            student.call(student.die())

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(EngineDown, match="no student server has answered for 1 s"):
            made(setup, folder)
        killer.join()
    assert not (folder / "trajectories.jsonl").exists()
    with threaded(tiny["student"]) as student, threaded(tiny["teacher"]) as teacher:
        done, counts = made(over(setup, student, teacher), folder)
    assert law(done) == law(want)
    assert counts["resumed_spans"] + counts["resumed_samples"] > 0


def test_a_server_that_answers_checks_and_fails_all_requests_stops_the_run(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    with threaded(tiny["student"]) as student, threaded(tiny["teacher"]) as teacher:
        setup = over(setup_of(tiny, kind="student_only"), student, teacher, retries=1)
        student.fail("status", times=10**6, status=503)
        many = [(q.question_id, n) for q in QUESTIONS for n in range(4)]
        with pytest.raises(EngineDown, match="8 requests failed 2 times each"):
            synthesize(QUESTIONS, many, setup, tmp_path, "http")
    assert (tmp_path / "journal.jsonl").read_text().count('"failed"') == 7
