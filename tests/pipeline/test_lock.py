"""One process at a time works in a folder; who is gone is taken over, who lives never is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.errors import StorageError
from tessy.pipeline import lock
from tessy.pipeline.lock import LOCK, locked, require_held

# Several of these race: each looks whether the work is done, and does it under the lock if not.
RACER = """
import sys, time
from pathlib import Path
from tessy.pipeline.lock import locked
folder, done = Path(sys.argv[1]), Path(sys.argv[1]) / "done"
for _ in range(int(sys.argv[2])):
    with locked(folder):
        inside = folder / "inside"
        inside.touch(exist_ok=False)  # fails if another one is inside
        with done.open("a") as file:
            print(sys.argv[3], file=file)
        inside.unlink()
"""
HOLDER = """
import sys, time
from pathlib import Path
from tessy.pipeline.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artifact"
    made.mkdir()
    return made


@pytest.fixture
def holder(folder: Path):  # type: ignore[no-untyped-def]
    process = start(HOLDER, folder)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def rewrite(folder: Path, change: Callable[[dict[str, object]], object], age: float = 0) -> None:
    """Change what the lock says of its owner, and when it was last touched."""
    path = folder / LOCK
    owner = json.loads(path.read_text())
    change(owner)
    path.write_text(json.dumps(owner))
    os.utime(path, (time.time() - age,) * 2)


def test_processes_that_race_are_inside_one_after_the_other(folder: Path) -> None:
    racers = [start(RACER, folder, 20, name) for name in "abc"]
    for racer in racers:
        _, said = racer.communicate(timeout=60)
        assert racer.returncode == 0, said
    assert sorted((folder / "done").read_text().split()) == sorted("abc" * 20)
    assert not (folder / LOCK).exists()


def test_a_killed_owner_is_taken_over_at_once(
    folder: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    holder.kill()
    holder.wait()
    with locked(folder):
        assert json.loads((folder / LOCK).read_text())["pid"] == os.getpid()
    assert f"process {holder.pid} on" in capsys.readouterr().err


def test_a_killed_owner_whose_parent_has_not_noticed_is_taken_over(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    with locked(folder):
        pass


def test_an_owner_whose_process_id_was_given_again_is_taken_over(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    rewrite(folder, lambda owner: owner.update(started=1))
    with locked(folder):
        pass


def test_an_owner_that_is_stopped_but_lives_is_waited_for(
    folder: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.send_signal(signal.SIGSTOP)
    rewrite(folder, lambda owner: None, age=10 * lock.STALE_SECONDS)
    assert waits(folder, monkeypatch) == 3
    assert json.loads((folder / LOCK).read_text())["pid"] == holder.pid


def waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often `locked` sleeps; it is stopped the third time."""
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise TimeoutError

    monkeypatch.setattr(time, "sleep", sleep)
    try:
        with locked(folder):
            pass
    except TimeoutError:
        pass
    monkeypatch.undo()
    return len(slept)


def test_an_owner_elsewhere_is_gone_when_its_lock_is_no_longer_touched(
    folder: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(owner: dict[str, object]) -> None:
        owner.update(place="another boot/1", host="node7")

    rewrite(folder, elsewhere, age=0.5 * lock.STALE_SECONDS)
    assert waits(folder, monkeypatch) == 3
    rewrite(folder, elsewhere, age=lock.STALE_SECONDS + 1)
    assert waits(folder, monkeypatch) == 0


def test_a_lock_is_touched_while_it_is_held(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    with locked(folder):
        os.utime(folder / LOCK, (1, 1))
        deadline = time.monotonic() + 30
        while (folder / LOCK).stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("text", ["", "1234", "[]", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_stale_after_a_while(
    folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / LOCK).write_text(text)
    assert waits(folder, monkeypatch) == 3
    os.utime(folder / LOCK, (1, 1))
    assert waits(folder, monkeypatch) == 0


def test_who_lost_the_folder_does_not_complete_it_and_leaves_the_others_lock(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"taken over by process \d+ on node7"), locked(folder):
        require_held(folder)
        rewrite(folder, lambda owner: owner.update(place="another boot/1", host="node7"))
        require_held(folder)
    assert (folder / LOCK).exists()
