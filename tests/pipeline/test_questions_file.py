"""`questions=file`: what is wrong is found before any work, and only the contents matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import ConfigError, DataError, MissingError
from tessy.pipeline.execute import execute
from tessy.pipeline.graph import build
from tessy.pipeline.requirements import missing
from tessy.records import Question, read_jsonl
from tests.pipeline.test_command import MINI, files, run

Compose = Callable[..., Experiment]


def lines(*names: str) -> str:
    return "".join(json.dumps({"question_id": n, "prompt": f"Print {n}."}) + "\n" for n in names)


def options(path: Path, samples: int = 4) -> tuple[str, ...]:
    return ("questions=file", f"questions.path={path}", f"questions.samples={samples}")


def test_a_file_is_stored_as_it_is_and_the_same_command_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(lines("a", "b", "c"))
    command = (*MINI, *options(path), "stage=questions")
    first = run(tmp_path, *command)
    assert first.returncode == 0 and "questions: 1 made" in first.stdout, first.stderr
    (stored,) = (tmp_path / "outputs").rglob("questions.jsonl")
    assert [q.question_id for q in read_jsonl(stored, Question)] == ["a", "b", "c"]
    path.rename(tmp_path / "moved.jsonl")
    again = run(tmp_path, *MINI, *options(tmp_path / "moved.jsonl"), "stage=questions")
    assert again.returncode == 0 and "nothing was to do" in again.stdout


@pytest.mark.parametrize("stage", ["plan", "questions"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "q.jsonl is empty"),
        (lines("a") + "{\n", "q.jsonl:2 is not JSON"),
        (lines("a", "b", "a"), "q.jsonl:3 has the question_id 'a' of line 1"),
    ],
)
def test_a_wrong_file_stops_the_plan_and_the_run(
    tmp_path: Path, composed: Compose, text: str, says: str, stage: str
) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(text)
    out = f"outputs_dir={tmp_path}/outputs"
    e = composed("experiment=mini", "tracking=none", *options(path), f"stage={stage}", out)
    with pytest.raises(DataError, match=says):
        execute(e)
    assert files(tmp_path) == ["q.jsonl"]


def test_a_missing_file_is_among_what_is_missing(tmp_path: Path, composed: Compose) -> None:
    path = tmp_path / "none.jsonl"
    e = composed("experiment=mini", *options(path), "stage=questions", f"outputs_dir={tmp_path}")
    assert any("none.jsonl' does not exist" in item for item in missing(e, build(e)))
    with pytest.raises(MissingError, match=r"nothing was run(?s:.*)none.jsonl' does not exist"):
        execute(e)


def test_the_fingerprint_is_that_of_the_contents(tmp_path: Path, composed: Compose) -> None:
    def fingerprints(path: Path) -> set[str]:
        return {node.fingerprint for node in build(composed("experiment=mini", *options(path)))}

    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(lines("a", "b"))
    second.write_text(lines("a", "b"))
    before = fingerprints(first)
    assert fingerprints(second) == before
    first.write_text(lines("a", "c"))
    e = composed("experiment=mini", *options(first))
    changed = {node.stage for node in build(e) if node.fingerprint not in before}
    assert changed == {"questions", "synthesize", "sft", "evaluate", "report"}
    base = [node for node in build(e) if node.stage == "evaluate" and not node.parents]
    assert all(node.fingerprint in before for node in base)


def test_the_base_models_scores_are_shared_with_the_miniature_questions(
    tmp_path: Path, composed: Compose
) -> None:
    def base(e: Experiment) -> set[str]:
        return {n.fingerprint for n in build(e) if n.stage == "evaluate" and not n.parents}

    other = options(tmp_path / "q.jsonl")
    mini = composed("experiment=mini", "mini.seed=3")
    assert base(composed("experiment=mini", "mini.seed=3", *other)) == base(mini)
    assert base(composed("experiment=mini", *other)) != base(mini)


def test_questions_of_ones_own_go_with_either_world(tmp_path: Path, composed: Compose) -> None:
    path = tmp_path / "q.jsonl"
    assert composed("experiment=mini", *options(path)).is_mini
    assert not composed("teacher=gpt-oss-120b", *options(path)).is_mini
    with pytest.raises(ConfigError, match="benchmark mini belong to the miniature world"):
        composed("benchmark=[mini]", *options(path))
    with pytest.raises(ConfigError, match="belong to the miniature world"):
        composed("experiment=mini", "questions=paper")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("questions=file",), "without a file; set questions.path=FILE.jsonl"),
        (("questions=file", "questions.path=q", "questions.unique=-1"), "unique=-1 must be pos"),
        (
            ("questions=file", "questions.path=q", "questions.unique=9", "questions.samples=8"),
            "questions.unique=9 exceeds samples=8",
        ),
        (("questions.unique=0",), "questions.unique=0 must be positive; set it above 0"),
        (("questions.path=q",), "questions.path='q' is read with questions=file only"),
        (
            ("experiment=mini", "questions=file", "questions.path=q", "mini.seeds=[1,2]"),
            "without the miniature world",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    composed: Compose, overrides: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        composed(*overrides)
    assert says in str(error.value)
