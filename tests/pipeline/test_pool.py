"""`questions=paper` from the command line: what is missing is named, the pool is made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tessy.config import Experiment
from tessy.errors import ConfigError
from tessy.pipeline.graph import build
from tessy.pipeline.node import Node
from tessy.pipeline.requirements import missing, models
from tessy.pipeline.servers import roles
from tessy.records import Question, read_jsonl
from tessy.synthesis.parts import samples
from tests.pipeline.test_command import run
from tests.questions.published import GRAPH, SORT, SUM, nemotron, open_thoughts

Compose = Callable[..., Experiment]
AIME = "Find the number of ways to walk from one corner of a cube to the other in seven steps."


def options(folder: Path) -> tuple[str, ...]:
    """A pool of four questions, one of them also in AIME 2024, without a teacher."""
    data = open_thoughts(folder / "ot", [SUM, SORT, f"Write a program. {AIME}"])
    (folder / "aime").mkdir()
    row = {"id": 60, "problem": AIME, "answer": "204"}
    (folder / "aime" / "test.jsonl").write_text(json.dumps(row) + "\n")
    return (
        *("questions=paper", "stage=questions", "tracking=none", "questions.select=none"),
        f"questions.open_thoughts={data}",
        f"questions.nemotron={nemotron(folder / 'nemotron', [GRAPH])}",
        *("benchmark=[aime2024]", f"benchmarks.aime2024.path={folder / 'aime'}"),
        *("questions.decontaminate=[aime/2024]", "questions.samples=7"),
    )


def questions(e: Experiment) -> list[Node]:
    return [node for node in build(e) if node.stage == "questions"]


def test_the_paper_s_questions_are_made_and_the_pool_only_once(tmp_path: Path) -> None:
    data = options(tmp_path)
    done = run(tmp_path, *data, "questions.unique=3")
    assert done.returncode == 0 and "questions: 2 made" in done.stdout, done.stderr
    assert "Lost      questions: dropped_contaminated 1" in done.stdout
    [stored] = tmp_path.glob("outputs/artifacts/questions/paper-[0-9a-f]*/questions.jsonl")
    asked = list(read_jsonl(stored, Question))
    assert {q.prompt for q in asked} == {SUM, SORT, GRAPH}
    keys = samples(asked, 7)
    assert len(set(keys)) == 7 and keys[6] == (asked[0].question_id, 2)
    [listed] = stored.parent.glob("contaminated.jsonl")
    assert json.loads(listed.read_text())["of"] == "aime/2024 60"
    again = run(tmp_path, *data, "questions.unique=2")
    assert "questions: 1 made" in again.stdout and "1 done before" in again.stdout
    more = run(tmp_path, *data, "questions.unique=4")
    assert more.returncode == 1 and "set questions.unique=3" in more.stderr


def test_what_is_missing_for_the_paper_s_questions_is_named(composed: Compose) -> None:
    e = composed("stage=questions")
    said = "\n".join(missing(e, questions(e)))
    for name in ("open-thoughts/OpenThoughts3-1.2M", "nvidia/Llama-Nemotron-Post-Training-Dataset"):
        assert f"hf download --repo-type dataset {name} --include" in said
    assert "livecodebench/code_generation_lite, for benchmark livecodebench" in said
    assert "openai/gpt-oss-120b" in said and "Qwen/Qwen3-8B" not in said
    without = composed("stage=questions", "questions.select=none")
    assert "openai/gpt-oss-120b" not in "\n".join(missing(without, questions(without)))
    typo = composed("stage=questions", "benchmark=[aime2024]", "questions.decontaminate=[aime,x]")
    assert "x is no benchmark; aime, gpqa" in "\n".join(missing(typo, questions(typo)))


def test_the_pool_depends_on_the_teacher_and_the_draw_on_the_benchmarks(composed: Compose) -> None:
    def prints(*overrides: str) -> list[str]:
        return [node.fingerprint for node in questions(composed(*overrides))]

    pool, drawn = prints()
    assert prints("benchmark=[aime2024]") == [pool, drawn]  # which are evaluated changes nothing
    assert prints("method=[student_only]", "student.context=99") == [pool, drawn]
    for changed in ("questions.unique=5", "questions.seed=1", "questions.overlap_words=10"):
        assert prints(changed)[0] == pool and prints(changed)[1] != drawn
    for changed in ("questions.near_duplicates=0.9", "teacher=deepseek-r1-0528"):
        assert prints(changed)[0] != pool and prints(changed)[1] != drawn
    node = questions(composed())[0]
    assert roles(node) == ("teacher",) and "openai/gpt-oss-120b" in models(composed(), [node])
    assert roles(questions(composed("questions.select=none"))[0]) == ()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("questions.decontaminate=[ojbench]", "benchmark lcb_pro (lcb_pro/) is not among"),
        ("questions.near_duplicates=2", "near_duplicates=2.0 is outside [0, 1]"),
        ("questions.overlap_words=3", "overlap_words=3 is below 5"),
        ("questions.selection_tokens=0", "selection_tokens=0 is below 1"),
        ("questions.bad_lines=ignore", "choose from fail, skip"),
    ],
)
def test_options_of_the_pool_that_cannot_be_are_refused(
    composed: Compose, override: str, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        composed(override)
    assert says in str(error.value)


def test_no_data_set_at_all_is_refused(composed: Compose) -> None:
    with pytest.raises(ConfigError, match="questions=paper without a data set"):
        composed("questions.open_thoughts=''", "questions.nemotron=''")
    assert composed("questions.decontaminate=[]").questions.decontaminate == ()


def test_bad_lines_of_a_file_are_skipped_only_if_asked_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question_id": "a", "prompt": "Print a."}\n{\n')
    command = ("stage=questions", "questions=file", f"questions.path={path}", "tracking=none")
    done = run(tmp_path, *command)
    assert done.returncode == 1 and "q.jsonl:2 is not JSON" in done.stderr
    done = run(tmp_path, *command, "questions.bad_lines=skip")
    assert done.returncode == 0 and "Lost      questions: dropped_bad_lines 1" in done.stdout
    [listed] = tmp_path.glob("outputs/artifacts/questions/*/bad_lines.jsonl")
    assert json.loads(listed.read_text())["question_id"] == f"{path}:2"
