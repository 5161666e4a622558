"""Artifacts are whole or not there; nothing is lost by a kill, a full disk or a second process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tessy.errors import ArtifactError, StorageError
from tessy.pipeline.disk import SESSIONS, session, storage_errors, worked_seconds
from tessy.pipeline.node import Node
from tessy.pipeline.store import MANIFEST, Store

NODE = Node("questions", "mini world/0", {"world": 0})

# A stage that journals a line every 10 ms, run by a process of its own.
WORKER = """
import sys, time
from pathlib import Path
from tessy.pipeline.node import Node
from tessy.pipeline.store import Store
store, node = Store(Path(sys.argv[1])), Node("questions", "mini world/0", {"world": 0})
with store.working(node) as folder:
    if store.manifest(node) is not None:
        sys.exit()
    journal = folder / "journal.jsonl"
    done = len(journal.read_text().splitlines()) if journal.exists() else 0
    with journal.open("a") as file:
        for line in range(done, int(sys.argv[2])):
            print(line, file=file, flush=True)
            time.sleep(0.01)
    store.complete(node, {"lines": line + 1})
"""


def start_worker(outputs: Path, lines: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(outputs), str(lines)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, lines: int) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline, f"{path} does not grow"
        time.sleep(0.01)


def make(store: Store, content: str = "one\n") -> Path:
    with store.working(NODE) as folder:
        (folder / "data").mkdir()
        (folder / "data" / "questions.jsonl").write_text(content)
        store.complete(NODE, {"questions": 1, "tokens_read": 5})
    return folder


def test_an_artifact_is_there_when_its_manifest_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.manifest(NODE) is None
    folder = make(store)
    assert folder == tmp_path / "artifacts/questions" / f"mini_world_0-{NODE.fingerprint}"
    manifest = store.manifest(NODE)
    assert manifest is not None
    assert manifest.counts == {"questions": 1, "tokens_read": 5}
    assert manifest.tokens == {"tokens_read": 5}
    assert manifest.config == {"world": 0} and manifest.seeds == {"world": 0}
    assert [file["path"] for file in manifest.files] == ["data/questions.jsonl"]
    assert manifest.packages["torch"] and manifest.code_version == 1
    assert sorted(p.name for p in folder.iterdir()) == ["data", MANIFEST]


def test_an_artifact_is_found_by_its_fingerprint_whatever_its_name(tmp_path: Path) -> None:
    make(Store(tmp_path))
    assert Store(tmp_path).manifest(Node("questions", "renamed", {"world": 0})) is not None


def test_parents_are_named_in_the_manifest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = make(store)
    child = Node("sft", "child", {}, (NODE,))
    with store.working(child):
        manifest = store.complete(child, {})
    assert manifest.parents == [f"questions/{folder.name}"]


def test_killed_work_goes_on_and_its_seconds_add_up(tmp_path: Path) -> None:
    began = time.monotonic()
    worker = start_worker(tmp_path, 100_000)
    folder = Store(tmp_path).folder(NODE)
    journal = folder / "journal.jsonl"
    wait_for(journal, 30)
    worker.kill()
    assert worker.wait() == -signal.SIGKILL
    first_run = time.monotonic() - began
    done = len(journal.read_text().splitlines())
    assert not (folder / MANIFEST).exists() and Store(tmp_path).manifest(NODE) is None
    began = time.monotonic()
    assert start_worker(tmp_path, done + 20).wait() == 0
    second_run = time.monotonic() - began
    assert journal.read_text().splitlines() == [str(n) for n in range(done + 20)]
    manifest = Store(tmp_path).manifest(NODE)
    assert manifest is not None and manifest.counts == {"lines": done + 20}
    # Each line takes 10 ms; what came after the last line before the kill is not known.
    assert 0.009 * (done + 20) < manifest.seconds < first_run + second_run


def test_idle_time_after_a_kill_is_no_cost(tmp_path: Path) -> None:
    killed, now = time.time() - 1000, time.time()
    (tmp_path / SESSIONS).write_text(f"began {killed - 10}\n")
    (tmp_path / "journal").write_text("the last thing that was written")
    os.utime(tmp_path / "journal", (killed, killed))
    with session(tmp_path):
        assert 9.99 < worked_seconds(tmp_path) < 10.01 + time.time() - now  # logged to 1 ms


def test_a_failed_run_keeps_its_work_and_its_seconds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.working(NODE) as folder:
        (folder / "half").write_text("half")
        time.sleep(0.05)
        raise ZeroDivisionError
    assert (folder / "half").read_text() == "half" and store.manifest(NODE) is None
    time.sleep(0.2)
    assert 0.049 <= worked_seconds(folder) < 0.2  # without the idle time; logged to 1 ms
    with store.working(NODE):
        assert store.complete(NODE, {}).seconds >= 0.049


def test_a_kill_while_the_manifest_is_written_leaves_a_resumable_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.working(NODE) as folder:
        (folder / f".{MANIFEST}.tmp").write_text('{"stage": "ques')
        raise KeyboardInterrupt
    assert store.manifest(NODE) is None
    with store.working(NODE):
        store.complete(NODE, {})
    assert store.manifest(NODE) is not None


def test_two_processes_that_race_for_an_artifact_make_it_once(tmp_path: Path) -> None:
    """The one that comes second waits, and finds it made."""
    journal = Store(tmp_path).folder(NODE) / "journal.jsonl"
    first = start_worker(tmp_path, 50)
    wait_for(journal, 1)
    second = start_worker(tmp_path, 50)
    assert (first.wait(), second.wait()) == (0, 0)
    assert journal.read_text().splitlines() == [str(n) for n in range(50)]
    assert sorted(p.name for p in journal.parent.iterdir()) == ["journal.jsonl", MANIFEST]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("half", "is not a manifest"),
        ("empty", "is not a manifest"),
        ("list", "is not a manifest"),
        ("foreign", "its folder of questions"),
        ("missing", "questions.jsonl is missing"),
        ("grown", "questions.jsonl has changed"),
        ("flipped", "questions.jsonl has changed"),
    ],
)
def test_a_damaged_artifact_is_named_and_nothing_is_deleted(
    tmp_path: Path, damage: str, message: str
) -> None:
    store = Store(tmp_path)
    folder = make(store)
    path, data = folder / MANIFEST, folder / "data" / "questions.jsonl"
    text = path.read_text()
    if damage == "half":
        path.write_text(text[: len(text) // 2])
    elif damage == "empty":
        path.write_text("")
    elif damage == "list":
        path.write_text("[]")
    elif damage == "foreign":
        path.write_text(json.dumps(json.loads(text) | {"fingerprint": "0" * 16}))
    elif damage == "missing":
        data.unlink()
    elif damage == "grown":
        data.write_text("one\ntwo\n")
    else:
        data.write_text("ane\n")
    left = sorted(folder.rglob("*"))
    with pytest.raises(ArtifactError, match=message) as error:
        store.manifest(NODE)
    assert f"delete the folder {folder} to make it anew" in str(error.value)
    assert sorted(folder.rglob("*")) == left


def test_a_full_disk_is_one_clear_error_and_work_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StorageError, match="No space left") as error, store.working(NODE) as folder:
        (folder / "half").write_text("half")
        Path("/dev/full").write_text("more than fits")
    assert "/dev/full" in str(error.value) or str(folder) in str(error.value)
    assert (folder / "half").read_text() == "half"


def test_a_refusal_is_found_behind_another_librarys_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No space left"), storage_errors(tmp_path):
        try:
            Path("/dev/full").write_text("more than fits")
        except OSError as error:
            raise RuntimeError("cannot serialize") from error
    with pytest.raises(RuntimeError, match="something else"), storage_errors(tmp_path):
        raise RuntimeError("something else")


def test_a_folder_that_cannot_be_written_is_one_clear_error() -> None:
    with (
        pytest.raises(StorageError, match="cannot write /sys/tessy"),
        Store(Path("/sys/tessy")).working(NODE),
    ):
        raise AssertionError("/sys cannot be written")
