"""The ways to make the data: who writes what, what is taken over, and what is asked of whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessy.config import MethodConfig, MethodKind, SamplingConfig
from tessy.dialects import load_dialect
from tessy.engines.base import Request
from tessy.errors import DataError
from tessy.records import Message, Trajectory, dump_line
from tessy.synthesis.admission import Admission
from tessy.synthesis.journal import Journal
from tessy.synthesis.methods import METHODS
from tessy.synthesis.needs import NEEDS
from tessy.synthesis.parts import Cast, Key, Sources
from tessy.synthesis.sources import StoredSamples
from tests.synthesis.parts import PROMPTS, ROOMY, SAMPLES, law, run
from train.examples import example

NEW = ("teacher_mix", "teacher_think", "teacher_answer", "teacher_reference", "teacher_score")


def without(tiny: dict[str, Path], role: str, folder: Path) -> dict[str, Path]:
    """The models, one of them not on this machine."""
    return {**tiny, role: folder / "gone"}


def test_every_kind_of_method_is_there() -> None:
    assert set(METHODS) == set(NEEDS) == set(get_args(MethodKind))


def test_a_mix_is_half_of_each_as_it_is_and_generates_nothing(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    absent = without(tiny, "teacher", tmp_path)
    done, counts = run(absent, tmp_path / "6", "teacher_mix", sources=sources)
    assert counts["from_teacher_only"] == counts["from_student_only"] == 3
    assert counts["requests"] == counts["thrown_away"] == 0 and "student_generated" not in counts
    for t in done:
        source = sources[t.metadata["from"]][t.key]
        assert (t.spans, t.finish, t.messages) == (source.spans, source.finish, source.messages)
        assert (t.seeds, t.versions) == (source.seeds, source.versions)
        assert {s.writer for s in t.spans} <= {t.metadata["from"].removesuffix("_only")}
        assert t.method == "teacher_mix"
    backwards = {kind: dict(reversed(made.items())) for kind, made in sources.items()}
    again, _ = run(tiny, tmp_path / "b", "teacher_mix", rows=1, sources=backwards)
    assert law(again) == law(done)


def mixing(seed: int, sources: Any) -> Cast:
    config, sampling = MethodConfig("mix", "teacher_mix"), SamplingConfig()
    return Cast(config, sampling, None, {}, {}, {}, seed, True, Admission(0), sources)  # type: ignore[arg-type]


@given(
    st.sets(st.tuples(st.text(max_size=3), st.integers(0, 3)), max_size=40),
    st.integers(0, 2**40),
)
def test_of_any_number_of_samples_half_are_the_teachers(keys: set[Key], seed: int) -> None:
    both = {"student_only": dict.fromkeys(keys), "teacher_only": dict.fromkeys(keys)}
    cast = mixing(seed, both)
    by_teacher = [key for key in keys if cast.places[key] % 2 == 0]
    assert len(by_teacher) == (len(keys) + 1) // 2


def test_another_seed_mixes_otherwise() -> None:
    keys = {(f"q{i}", 0): None for i in range(40)}
    halves = []
    for seed in (0, 1):
        cast = mixing(seed, {"student_only": keys})
        halves.append({key for key, place in cast.places.items() if place % 2})
    assert halves[0] != halves[1] and len(halves[0] & halves[1]) > 3


@pytest.mark.parametrize(
    ("kind", "parent", "writer", "other"),
    [
        ("teacher_think", "teacher_only", "student", "teacher"),
        ("teacher_answer", "student_only", "teacher", "student"),
    ],
)
def test_thinking_is_taken_over_and_only_answers_are_asked_for(
    tiny: dict[str, Path],
    sources: Sources,
    asked: list[Request],
    tmp_path: Path,
    kind: str,
    parent: str,
    writer: str,
    other: str,
) -> None:
    models = without(tiny, "teacher", tmp_path) if other == "teacher" else tiny
    done, counts = run(models, tmp_path, kind, sources=sources, **ROOMY)
    closed = [t for t in sources[parent].values() if t.text("answer")]
    assert any(t.finish != "complete" for t in closed) or parent == "student_only"
    assert counts["requests"] == counts[f"{writer}.requests"] == len(closed) < len(done)
    assert f"{other}.requests" not in counts and counts["thrown_away"] == 0
    dialect = load_dialect("qwen3" if writer == "student" else "gpt_oss", tiny[writer])
    prompts = {r.session: r.prompt_ids for r in asked}
    for t in done:
        source = sources[parent][t.key]
        thinking = [s for s in t.spans if s.part == "think"]
        assert thinking == [s for s in source.spans if s.part == "think"]
        assert {s.writer for s in thinking} <= {other}
        assert {s.writer for s in t.spans if s.part == "answer"} <= {writer}
        assert t.tokens[f"{other}_reused"] == sum(s.n_tokens for s in thinking)
        if source.text("answer"):
            want = dialect.prompt_ids(t.messages) + dialect.thinking_ids(t.text("think"))
            assert prompts[f"{t.question_id}#{t.repeat}"] == tuple(want)
            assert (t.finish == "complete") <= bool(t.text("answer"))
        else:
            assert t.finish == source.finish != "complete" and not t.text("answer")
    assert counts["complete"] > 0


def test_thinking_that_leaves_no_room_for_an_answer_is_too_long(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    done, counts = run(tiny, tmp_path, "teacher_think", sources=sources, limit=20, context=2048)
    for t in done:
        closed = bool(sources["teacher_only"][t.key].text("answer"))
        long = sum(s.n_tokens for s in t.spans if s.part == "think") >= 20
        assert not (closed and long) or (t.finish == "length" and not t.text("answer"))
    assert counts["length"] > 0


def test_the_reference_is_shown_to_the_student_and_to_nobody_else(
    tiny: dict[str, Path], sources: Sources, asked: list[Request], tmp_path: Path
) -> None:
    absent = without(tiny, "teacher", tmp_path)
    done, counts = run(absent, tmp_path, "teacher_reference", sources=sources, **ROOMY)
    dialect = load_dialect("qwen3", tiny["student"])
    prompts = {r.session: dialect.decode(r.prompt_ids) for r in asked}
    for t in done:
        source, session = sources["teacher_only"][t.key], f"{t.question_id}#{t.repeat}"
        assert t.messages == (Message("user", PROMPTS[t.question_id]),)
        if source.finish != "complete":
            assert session not in prompts
            assert (t.spans, t.finish, t.metadata) == ((), source.finish, {})
            continue
        reference = source.text("answer")
        assert t.metadata == {"reference": reference}
        assert reference in prompts[session] and PROMPTS[t.question_id] in prompts[session]
        assert {s.writer for s in t.spans} == {"student"}
        if t.finish == "complete":
            trained = example(t, dialect)
            prompt = [
                i
                for i, w in zip(trained.input_ids.tolist(), trained.writers.tolist(), strict=True)
                if not w
            ]
            assert prompt == dialect.prompt_ids([Message("user", PROMPTS[t.question_id])])
            assert reference not in dialect.decode(prompt)
    assert counts["without_reference"] == len(done) - len(prompts) > 0
    assert counts["complete"] > 0


def test_a_sample_that_another_method_lacks_is_asked_for(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    some = {kind: dict(list(made.items())[1:]) for kind, made in sources.items()}
    for kind in NEW:
        with pytest.raises(DataError, match=r"q3#0 of (student|teacher)_only"):
            run(tiny, tmp_path / kind, kind, sources=some)


@pytest.mark.parametrize("kind", NEW)
def test_interrupted_after_every_line_the_result_is_the_same(
    tiny: dict[str, Path], sources: Sources, asked: list[Request], tmp_path: Path, kind: str
) -> None:
    few = SAMPLES[:3]
    arguments = {**ROOMY, "samples": few, "sources": sources, "candidates": 3}
    want, counts = run(tiny, tmp_path / "whole", kind, **arguments)
    total = len(asked)
    assert total == counts["requests"]
    lines = (tmp_path / "whole" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == (3 + total if kind == "teacher_score" else 3)
    for n in range(len(lines) + 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        torn = lines[n][: len(lines[n]) * (n % 3) // 3] if n < len(lines) else b""
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:n]) + torn)
        asked.clear()
        done, more = run(tiny, folder, kind, rows=1 + n % 3, **arguments)
        assert law(done) == law(want), f"after {n} lines"
        journaled = [json.loads(line) for line in lines[:n]]
        finished = {(x["trajectory"]["question_id"], x["trajectory"]["repeat"])
                    for x in journaled if x["kind"] == "done"}  # fmt: skip
        notes = [x for x in journaled if x["kind"] == "note"]
        assert more["resumed_samples"] == len(finished)
        if kind == "teacher_score":  # nothing that is noted is generated again
            assert len(asked) == total - len(notes)
            open_notes = [x for x in notes if (x["question_id"], x["repeat"]) not in finished]
            assert more["resumed_notes"] == len(open_notes)
        for key in ("candidates", "scores", "student_generated", "thrown_away", "complete"):
            assert more.get(key) == counts.get(key), key


def test_notes_are_read_back_in_their_order(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    arguments = {**ROOMY, "samples": SAMPLES[:1], "sources": sources, "candidates": 3}
    run(tiny, tmp_path, "teacher_score", **arguments)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with Journal(path) as journal:
        names = [name for name, _ in journal.notes[SAMPLES[0]]]
    assert names[:2] == ["response", "response"] and set(names[2:]) == {"rating"}


def test_stored_samples_are_found_by_their_key(
    tiny: dict[str, Path], sources: Sources, tmp_path: Path
) -> None:
    want = sources["teacher_only"]
    path = tmp_path / "trajectories.jsonl"
    path.write_text("".join(map(dump_line, reversed(want.values()))), encoding="utf-8")
    stored = StoredSamples(path)
    assert list(stored) == list(reversed(want)) and dict(stored) == dict(want)
    assert ("q0", 99) not in stored
    half = {"teacher_only": stored}
    done, _ = run(tiny, tmp_path / "stored", "teacher_think", sources=half, **ROOMY)
    again, _ = run(tiny, tmp_path / "held", "teacher_think", sources=sources, **ROOMY)
    assert law(done) == law(again)
    path.write_text(dump_line(want[SAMPLES[0]]) + "{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"trajectories\.jsonl:2"):
        StoredSamples(path)


def test_old_records_without_metadata_are_read(sources: Sources) -> None:
    data = next(iter(sources["student_only"].values())).to_json()
    assert data.pop("metadata") == {}
    assert Trajectory.from_json(data).metadata == {}
