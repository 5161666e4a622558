"""W&B is written offline without asking, and read back from its files."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tessy.config import TrackingConfig
from tessy.pipeline.tracking import Tracker, run_id
from tessy.pipeline.tracking_html import COLOURS, FAILED, PASSED
from tessy.records import JudgedAnswer, Message, Span, Trajectory

ROWS = [
    {
        "method": "base",
        "benchmark": "mini",
        "pass_at_1": 0.5,
        "ci95": [0.4, 0.6],
        "delta_vs_base": None,
        "delta_ci95": None,
    },
    {
        "method": "tessy",
        "benchmark": "mini",
        "pass_at_1": 0.75,
        "ci95": [0.7, 0.8],
        "delta_vs_base": 0.25,
        "delta_ci95": [0.2, 0.3],
    },
]
SPANS = (Span("student", "think", "Okay <b>", 2), Span("teacher", "think", "sum it", 3))
SAMPLES = [
    Trajectory("q", n, "tessy", (Message("user", "?"),), SPANS, "complete", {}, 1.0, {}, {})
    for n in range(40)
]
ANSWERS = [
    JudgedAnswer("p0", 0, "print(1<2)", "complete", 9, "accepted", True),
    JudgedAnswer("p1", 0, "print()", "complete", 5, "wrong_answer", False, "1 is not <2>"),
]
KEY = "5ec2e7" * 7  # an API key that must not be written anywhere

WORK = """
    import sys
    from pathlib import Path
    from tessy.config import TrackingConfig
    from tessy.pipeline.tracking import Tracker
    from tessy.journal import replace_lines
    from tessy.records import dump_line
    from tests.pipeline.test_tracking import ANSWERS, ROWS, SAMPLES

    def stored(records):
        path = Path(sys.argv[1]) / "records.jsonl"
        replace_lines(path, map(dump_line, records))
        return path

    tracker = Tracker(TrackingConfig(), Path(sys.argv[1]), "mini")
    with tracker.stage("sft", "tessy-s0", "abc123", {"train": {"epochs": 2}}) as log:
        log.curve({"step": s, "loss": 1 / s, "epoch": s / 2} for s in (1, 2, 3))
        log.summary({"seconds": 1.5})
    with tracker.stage("report", "mini", "def456", {}) as log:
        log.results(ROWS)
    with tracker.stage("synthesize", "tessy", "aaa111", {"parents": ["questions/q-1"]}) as log:
        log.trajectories(stored(SAMPLES))
        about = {"counts": {"samples": 40}}
        log.artifact(Path(sys.argv[1]), ["records.jsonl"], "synthesize", about)
    with tracker.stage("evaluate", "base", "bbb222", {}) as log:
        log.predictions(stored(ANSWERS))
    rows = [{"job": "mini-a", "state": "done"} | row for row in ROWS]
    rows += [{"job": "mini-b", "state": "failed", "error": "no disk"}]
    with tracker.stage("compare", "mini", "ccc333", {}, failed=True) as log:
        log.comparison(rows, {"jobs": 2, "failed": 1})
    try:
        with tracker.stage("evaluate", "tessy", "bad789", {}):
            raise RuntimeError("out of memory")
    except RuntimeError:
        pass
"""


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """A process of its own without a key, a terminal or a home: it must not ask."""
    folder = tmp_path_factory.mktemp("tracking")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    home = folder / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WORK), str(folder / "outputs")],
        env=kept
        | {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
        | {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return folder, done


def chunks(content: bytes) -> Iterator[bytes]:
    """The payloads of a LevelDB log after a header of 7 bytes, in blocks of 32 KiB."""
    block, position, payload = 32768, 7, b""
    while position + 7 <= len(content):
        if block - position % block < 7:  # no header fits in what is left of the block
            position += block - position % block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        payload += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # full, last; 2 and 3 are first and middle
            yield payload
            payload = b""


def read_back(folder: Path, identity: str) -> list[Any]:
    """The records of one offline run."""
    from wandb.proto.wandb_internal_pb2 import Record

    [path] = folder.glob(f"outputs/wandb/offline-run-*-{identity}/run-{identity}.wandb")
    records = []
    for data in chunks(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        records.append(record)
    return records


def summary(records: list[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for record in records:
        for item in record.summary.update:
            key = item.key or "/".join(item.nested_key)
            values[key] = json.loads(item.value_json)
    return values


def test_works_offline_and_prints_nothing(worked: tuple[Path, Any]) -> None:
    _, done = worked
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_training_curve_is_stored_by_step(worked: tuple[Path, Any]) -> None:
    history = [r.history for r in read_back(worked[0], "sft-abc123") if r.HasField("history")]
    losses = {}
    for entry in history:
        items = {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in entry.item}
        losses[entry.step.num] = items["sft/loss"]
    assert losses == {1: 1.0, 2: 0.5, 3: pytest.approx(1 / 3)}


def test_run_carries_group_stage_name_and_settings(worked: tuple[Path, Any]) -> None:
    [run] = [r.run for r in read_back(worked[0], "sft-abc123") if r.HasField("run")]
    settings = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (run.run_group, run.job_type, run.display_name) == ("mini", "sft", "sft tessy-s0")
    assert settings["train"] == {"epochs": 2}
    assert settings["fingerprint"] == "abc123"


def test_scores_have_stable_names(worked: tuple[Path, Any]) -> None:
    values = summary(read_back(worked[0], "report-def456"))
    assert values["pass_at_1/mini/base"] == 0.5
    assert values["pass_at_1/mini/tessy"] == 0.75
    assert values["delta_vs_base/mini/tessy"] == 0.25
    assert values["delta_vs_base_high/mini/tessy"] == 0.3
    assert "delta_vs_base/mini/base" not in values


def test_results_table_is_stored(worked: tuple[Path, Any]) -> None:
    [path] = worked[0].glob("outputs/wandb/*-report-def456/files/media/table/*.json")
    table = json.loads(path.read_text())
    assert table["columns"][:3] == ["method", "benchmark", "pass_at_1"]
    assert [row[0] for row in table["data"]] == ["base", "tessy"]


def uploads(folder: Path, identity: str, table: str) -> dict[str, str]:
    """The texts that `wandb sync` would upload for a table: itself, and the HTML of its cells."""
    records = read_back(folder, identity)
    [logged] = [r.artifact for r in records if r.artifact.name == f"run-{identity}-{table}"]
    return {file.path: Path(file.local_path).read_text() for file in logged.manifest.contents}


def test_trajectories_are_drawn_and_coloured_by_writer(worked: tuple[Path, Any]) -> None:
    files = uploads(worked[0], "synthesize-aaa111", "trajectories")
    stored = json.loads(files["trajectories.table.json"])
    assert stored["columns"][:5] == ["question", "repeat", "finish", "tokens", "by_teacher"]
    repeats = [row[1] for row in stored["data"]]
    assert len(set(repeats)) == 32 and repeats == sorted(repeats)  # of 40
    assert all(row[3:5] == [5, 3] for row in stored["data"])
    page = files[stored["data"][0][5]["path"]]
    for writer, text in (("student", "Okay &lt;b&gt;"), ("teacher", "sum it")):
        assert re.search(f'<span style="background:{COLOURS[writer]}" [^>]*>{text}</span>', page)


def test_predictions_have_their_verdicts(worked: tuple[Path, Any]) -> None:
    files = uploads(worked[0], "evaluate-bbb222", "predictions")
    stored = json.loads(files["predictions.table.json"])
    assert [row[:4] for row in stored["data"]] == [
        ["p0", 0, "accepted", True],
        ["p1", 0, "wrong_answer", False],
    ]
    first, second = (files[row[6]["path"]] for row in stored["data"])
    assert PASSED in first and "print(1&lt;2)" in first
    assert FAILED in second and "wrong answer</b>: 1 is not &lt;2&gt;" in second


def test_an_artifact_is_a_reference_and_parents_are_named(worked: tuple[Path, Any]) -> None:
    records = read_back(worked[0], "synthesize-aaa111")
    [run] = [r.run for r in records if r.HasField("run")]
    settings = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert settings["parents"] == ["questions/q-1"]
    [logged] = [r.artifact for r in records if r.artifact.name == "synthesize-aaa111"]
    [entry] = logged.manifest.contents
    assert entry.ref == (worked[0] / "outputs" / "records.jsonl").as_uri() and not entry.local_path
    assert (logged.type, json.loads(logged.metadata)) == ("synthesize", {"counts": {"samples": 40}})


def test_a_sweep_ends_with_one_comparison(worked: tuple[Path, Any]) -> None:
    files = uploads(worked[0], "compare-ccc333", "comparison")
    stored = json.loads(files["comparison.table.json"])
    job, method = (stored["columns"].index(name) for name in ("job", "method"))
    assert [(row[job], row[method]) for row in stored["data"]] == [
        ("mini-a", "base"),
        ("mini-a", "tessy"),
        ("mini-b", None),
    ]
    values = summary(read_back(worked[0], "compare-ccc333"))
    assert values["pass_at_1/mini/mini-a/tessy"] == 0.75
    assert (values["jobs"], values["failed"]) == (2, 1)


def test_no_key_is_written(worked: tuple[Path, Any]) -> None:
    written = [path for path in worked[0].rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "identity, code", [("sft-abc123", 0), ("evaluate-bad789", 1), ("compare-ccc333", 1)]
)
def test_failed_stage_is_stored_as_failed(
    worked: tuple[Path, Any], identity: str, code: int
) -> None:
    [end] = [r.exit for r in read_back(worked[0], identity) if r.HasField("exit")]
    assert end.exit_code == code


def test_nothing_is_written_outside_the_outputs_folder(worked: tuple[Path, Any]) -> None:
    written = [p for p in (worked[0] / "home").rglob("*") if p.is_file()]
    assert written == []


def test_tracking_none_writes_nothing_and_imports_no_wandb(tmp_path: Path) -> None:
    code = f"""
    import sys
    from pathlib import Path
    from tessy.config import TrackingConfig
    from tessy.pipeline.tracking import Tracker
    tracker = Tracker(TrackingConfig(kind="none"), Path({str(tmp_path)!r}), "mini")
    with tracker.stage("sft", "tessy", "abc", {{}}) as log:
        log.curve([{{"step": 1, "loss": 2.0}}])
        log.summary({{"seconds": 1}})
        log.results([{{"method": "base"}}])
    assert "wandb" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_unreachable_server_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("tessy.pipeline.tracking.CONNECT_SECONDS", 2.0)
    tracker = Tracker(TrackingConfig(), tmp_path, "mini")
    with tracker.stage("sft", "tessy", "abc", {}) as log:
        log.summary({"seconds": 1})
    started = time.monotonic()
    with tracker.stage("evaluate", "tessy", "def", {}):
        pass
    assert time.monotonic() - started < 2.0  # did not try the server again
    assert list(tmp_path.glob("wandb/offline-run-*-sft-abc"))
    assert "wandb sync" in caplog.text


def test_run_id_is_valid_and_repeatable() -> None:
    assert run_id("sft", "tessy/lr=1e-3:ff00") == "sft-tessy-lr-1e-3-ff00"
