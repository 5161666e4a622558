"""The native launcher is built once, and doing without it is said."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.judge import cache, launcher
from eval.judge.cache import cache_folder, cached
from tessy.errors import StorageError


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A cache of the test's own, and no memory of earlier answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for remembered in (cache.cache_folder, launcher.find_launcher):
        remembered.cache_clear()
    yield
    for remembered in (cache.cache_folder, launcher.find_launcher):
        remembered.cache_clear()


def test_it_is_built_once_for_the_same_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = launcher.find_launcher()
    if folder is None:
        pytest.skip("there is no C compiler")
    assert {f.name for f in folder.iterdir()} == {"box", "box.so"}
    assert os.access(folder / "box", os.X_OK)
    launcher.find_launcher.cache_clear()
    monkeypatch.setattr(launcher, "_build", lambda *_: pytest.fail("built again"))
    assert launcher.find_launcher() == folder


def test_without_a_compiler_it_says_once_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with caplog.at_level(logging.WARNING):
        assert launcher.find_launcher() is None
        assert launcher.find_launcher() is None
    (said,) = caplog.messages
    assert "there is no C compiler (install gcc)" in said


def test_a_compiler_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho no headers >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    assert launcher.find_launcher() is None
    assert f"{broken} cannot build the launcher (no headers)" in caplog.text
    assert not list((cache_folder() / "launcher").iterdir())


def test_a_cache_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tessy" / "judge"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(StorageError, match=f"chmod go-w {folder}"):
        cache_folder()


def test_an_entry_is_whole_or_absent() -> None:
    def half(folder: Path) -> None:
        (folder / "part").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("kind", "name", half)
    assert not list((cache_folder() / "kind").iterdir())
    made = cached("kind", "name", lambda folder: (folder / "it").touch())
    assert cached("kind", "name", half) == made
