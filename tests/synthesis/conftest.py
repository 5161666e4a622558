"""Finished samples of both models, and what is asked of the engines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from tessy.engines.base import Chunk, Request
from tessy.engines.in_process import InProcessEngine
from tessy.synthesis.parts import Sources
from tests.synthesis.parts import ROOMY, run


@pytest.fixture(scope="module")
def sources(tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The samples of both models alone: some complete, some not, some closed without a word."""
    folder = tmp_path_factory.mktemp("sources")
    made = {
        kind: {t.key: t for t in run(tiny, folder / kind, kind=kind, **ROOMY)[0]}
        for kind in ("student_only", "teacher_only")
    }
    for samples in made.values():
        finishes = [t.finish for t in samples.values()]
        assert 2 <= finishes.count("complete") < len(finishes)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """All requests to the engines, which answer them as ever."""
    requests: list[Request] = []
    stream: Callable[..., AsyncGenerator[Chunk, None]] = InProcessEngine.stream

    def noted(
        self: InProcessEngine, request: Request, min_chunk: int = 1
    ) -> AsyncGenerator[Chunk, None]:
        requests.append(request)
        return stream(self, request, min_chunk)

    monkeypatch.setattr(InProcessEngine, "stream", noted)
    return requests
