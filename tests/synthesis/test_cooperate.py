"""Algorithm 1 is exact: the kept text is a function of models, questions and seed alone."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from tessy.boundary.predict import open_predictor
from tessy.dialects import load_dialect
from tessy.engines import Chunk, Engine, Request
from tessy.synthesis.admission import Admission
from tessy.synthesis.cast import open_cast
from tessy.synthesis.cooperate import Accepted, Cooperation
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.parts import Task
from tessy.synthesis.run import make_samples
from tests.synthesis.parts import QUESTIONS, SAMPLES, biased, law, run, setup_of


@pytest.fixture(scope="module")
def models(tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("biased")
    return tiny | {
        "style": biased(tiny, root / "style", style=True),
        "capability": biased(tiny, root / "capability", style=False),
    }


def test_kept_text_is_the_same_for_every_k_and_batch(tiny: dict[str, Path], tmp_path: Path) -> None:
    want, counts = run(tiny, tmp_path / "k20")
    assert counts["switches"] > 20 and counts["forced"] > 0 and counts["complete"] > 0
    assert [t.key for t in want] == SAMPLES
    assert want[1].text() != want[2].text(), "repeats of a question differ"
    for k, rows in ((1, 6), (2, 4), (5, 1), (20, 2), (64, 3)):
        done, more = run(tiny, tmp_path / f"k{k}", k=k, rows=rows, stream=False)
        assert law(done) == law(want), f"k={k}, {rows} in flight"
        assert (more["drafts"] > counts["drafts"]) == (k < 20), "short drafts take more requests"


def test_student_alone_thinks_as_if_there_were_no_teacher(
    models: dict[str, Path], tmp_path: Path
) -> None:
    together, counts = run(models, tmp_path / "t", k=7, predictors=("style", "style"))
    alone, _ = run(models, tmp_path / "s", kind="student_only")
    assert counts["switches"] == counts["forced"] == counts["teacher_kept"] == 0
    assert [t.text("think") for t in together] == [t.text("think") for t in alone]


def test_two_that_reject_everything_go_on_word_by_forced_word(
    models: dict[str, Path], tmp_path: Path
) -> None:
    done, counts = run(models, tmp_path, predictors=("capability", "style"), limit=60)
    words = sum(len(re.findall(r"\S+", t.text("think"))) for t in done)
    assert {s.writer for t in done for s in t.spans if s.part == "think"} == {"teacher"}
    assert counts["forced"] >= words > 20
    assert counts["student_kept"] == sum(
        s.n_tokens for t in done for s in t.spans if s.part == "answer"
    )


def test_spans_alternate_start_and_end_as_the_method_says(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    done, _ = run(tiny, tmp_path)
    dialect = load_dialect("qwen3", tiny["student"])
    for t in done:
        thinking = [s for s in t.spans if s.part == "think"]
        assert all(a.writer != b.writer for a, b in itertools.pairwise(thinking))
        assert all(s.text and s.n_tokens == dialect.count(s.text) for s in t.spans)
        assert all(s.text == s.text.rstrip() for s in thinking[:-1]), "spans end with a word"
        assert t.text("think") == t.text("think").strip("\n")
        assert [s.part for s in t.spans] == ["think"] * len(thinking) + ["answer"] * (
            len(t.spans) - len(thinking)
        )
        assert all(s.writer == "student" for s in t.spans if s.part == "answer")
        assert (t.finish == "complete") <= bool(t.text("answer"))


def test_the_teacher_may_answer(tiny: dict[str, Path], tmp_path: Path) -> None:
    student, _ = run(tiny, tmp_path / "s")
    teacher, _ = run(tiny, tmp_path / "t", final_answer="teacher")
    assert [t.text("think") for t in student] == [t.text("think") for t in teacher]
    writers = {s.writer for t in teacher for s in t.spans if s.part == "answer"}
    assert writers == {"teacher"}


def test_the_limit_only_shortens(tiny: dict[str, Path], tmp_path: Path) -> None:
    long, _ = run(tiny, tmp_path / "long", limit=200)
    short, counts = run(tiny, tmp_path / "short", limit=25)
    assert counts["length"] > 3
    for a, b in zip(short, long, strict=True):
        assert b.text("think").startswith(a.text("think"))
        assert a.tokens["student_kept"] + a.tokens["teacher_kept"] <= 25


def test_a_question_that_does_not_fit_fails_alone_and_is_counted(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    for kind in ("student_only", "teacher_only"):
        done, counts = run(tiny, tmp_path / kind, kind=kind, context=60)
        assert counts["samples"] == len(SAMPLES)
        assert sum(counts[f] for f in ("complete", "length", "degenerate", "failed")) == 6
    done, counts = run(tiny, tmp_path / "none", kind="student_only", context=20)
    assert counts["failed"] == 6
    assert {t.spans for t in done} == {()}
    assert '"fault"' in (tmp_path / "none" / "journal.jsonl").read_text()


def test_questions_that_spell_special_tokens_are_plain_text(tiny: dict[str, Path]) -> None:
    dialect = load_dialect("qwen3", tiny["student"])
    assert "<think>" in QUESTIONS[5].prompt
    assert dialect.open_ids[0] not in dialect.encode(QUESTIONS[5].prompt)


def test_own_tokens_stay_as_generated_and_the_others_are_encoded_span_by_span(
    tiny: dict[str, Path],
) -> None:
    async def run_cast() -> None:
        async with open_cast(setup_of(tiny), METHODS["tessy"], 1, Path()) as cast:
            student, teacher = (cast.roles[w].dialect for w in ("student", "teacher"))
            letters = [i for c in "Okay" for i in student.encode(c)]
            assert letters != student.encode("Okay")
            earlier = [
                Accepted("student", "Okay", tuple(letters), "cut", {}),
                Accepted("teacher", " sum of", tuple(teacher.encode(" sum of")), "cut", {}),
            ]
            work = Cooperation(cast, Task(QUESTIONS[0], 0, 0), lambda _: None, earlier)
            own, other = work._ids["student"], work._ids["teacher"]
            assert own[-len(letters + student.encode(" sum of")) :] == letters + student.encode(
                " sum of"
            )
            assert other[len(teacher.prompt_ids(Task(QUESTIONS[0], 0, 0).messages)) :] == [
                *teacher.open_ids,
                *teacher.encode("Okay"),
                *teacher.encode(" sum of"),
            ]

    asyncio.run(run_cast())


class Recut:
    """An engine whose chunks come in other pieces, and which may not hear of an abort."""

    def __init__(self, engine: Engine, seed: int, aborts: bool) -> None:
        self.engine, self.counts, self.kv_tokens = engine, engine.counts, engine.kv_tokens
        self._draw, self._aborts = random.Random(seed), aborts

    @property
    def in_flight(self) -> int:
        return self.engine.in_flight

    async def stream(self, request: Request, min_chunk: int = 1) -> AsyncGenerator[Chunk, None]:
        held: list[int] = []
        size = self._draw.randint(1, 9)
        async with aclosing(self.engine.stream(request)) as chunks:
            try:
                async for chunk in chunks:
                    held += chunk.ids
                    if len(held) >= size or chunk.finish is not None:
                        ids, held, size = tuple(held), [], self._draw.randint(1, 9)
                        yield Chunk(ids, chunk.finish)
                        if self._draw.random() < 0.3:
                            await asyncio.sleep(0)  # a consumer that comes late
            finally:
                if not self._aborts:
                    async for _ in chunks:  # the server goes on for nobody
                        pass

    async def close_session(self, session: str) -> None:
        await self.engine.close_session(session)

    async def aclose(self) -> None:
        await self.engine.aclose()


@pytest.mark.parametrize("aborts", [True, False])
def test_kept_text_is_the_same_for_every_chunking_with_and_without_abort(
    tiny: dict[str, Path], tmp_path: Path, aborts: bool
) -> None:
    want, _ = run(tiny, tmp_path / "want")
    tasks = [Task(QUESTIONS[int(name[1:])], repeat, 5) for name, repeat in SAMPLES]

    async def recut(seed: int, journal: Journal) -> None:
        setup = setup_of(tiny)
        async with (
            open_cast(setup, METHODS["tessy"], 3, Path()) as cast,
            open_predictor(tiny["predictor"], setup.predictor, 3, threaded=True) as judge,
        ):
            roles = {
                w: dataclasses.replace(r, engine=Recut(r.engine, seed, aborts))
                for w, r in cast.roles.items()
            }
            both = {"student": judge, "teacher": judge} if seed % 2 else cast.predictors
            mixed = dataclasses.replace(cast, roles=roles, predictors=both)
            await make_samples(mixed, METHODS["tessy"], tasks, journal, 3)

    for seed in range(3):
        with Journal(tmp_path / f"{aborts}{seed}.jsonl") as journal:
            asyncio.run(recut(seed, journal))
            assert law([journal.trajectory(key) for key in SAMPLES]) == law(want)


def test_samples_that_must_wait_for_room_end_the_same(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    want, _ = run(tiny, tmp_path / "want")
    tasks = [Task(QUESTIONS[int(name[1:])], repeat, 5) for name, repeat in SAMPLES]

    async def crowded(journal: Journal) -> None:
        async with open_cast(setup_of(tiny, rows=6), METHODS["tessy"], 6, Path()) as cast:
            tight = dataclasses.replace(cast, admission=Admission(150))
            await make_samples(tight, METHODS["tessy"], tasks, journal, 6)
            assert tight.admission.counts["parked"] > 0

    with Journal(tmp_path / "journal.jsonl") as journal:
        asyncio.run(crowded(journal))
        assert law([journal.trajectory(key) for key in SAMPLES]) == law(want)
