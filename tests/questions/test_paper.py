"""The paper's questions: loaded, each once, selected by a real tiny teacher, and drawn."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tessy.config import EngineConfig, ModelConfig, QuestionsConfig, ServeConfig, ServerConfig
from tessy.engines.asking import Answer
from tessy.errors import ConfigError, DataError
from tessy.questions.paper import draw, make_pool
from tessy.questions.removed import Removed
from tessy.questions.selection import judged, parse, request
from tessy.records import Question, read_jsonl
from tests.engines.server import threaded
from tests.questions.published import GRAPH, REVIEW, SORT, SUM, nemotron, open_thoughts
from tests.tiny import save_qwen

CONTEXT = 2048
ENGINE = EngineConfig("transformers", "cpu", 4, 1)
SAID = {SUM: "YES", SORT: "YES", GRAPH: "YES", REVIEW: "NO"}


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    """A tiny Qwen3 that thinks "Hm." and says what `SAID` has it say."""
    folder = save_qwen(tmp_path_factory.mktemp("selector"), steps=0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    samples = []
    for text, said in SAID.items():
        asked = f"<|im_start|>user\n{request(text)}<|im_end|>\n<|im_start|>assistant\n<think>\n"
        prompt = tokenizer.encode(asked)
        answer = tokenizer.encode(f"Hm.\n</think>\n\n{said}<|im_end|>")
        samples.append((prompt + answer, [-100] * len(prompt) + answer))
    worst = 1.0
    while worst > 0.01:
        worst = 0.0
        for ids, labels in samples:
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            worst = max(worst, loss.item())
    model.save_pretrained(folder)
    return ModelConfig("tiny", str(folder), "qwen3", 1e5, 1e5, CONTEXT)


@pytest.fixture
def config(tmp_path: Path) -> QuestionsConfig:
    """Three files: 12 rows of 4 questions, one of them nearly a repetition."""
    folder = open_thoughts(tmp_path / "ot", [SUM, SORT])
    open_thoughts(folder, [REVIEW, SORT])
    near = GRAPH.replace("the output.", "the screen.")
    other = nemotron(tmp_path / "nemotron", [GRAPH, near, SUM.upper(), "-"])
    return QuestionsConfig("paper", 10, 3, "", "fail", str(folder), str(other), selection_tokens=40)


def pool(
    config: QuestionsConfig,
    teacher: ModelConfig,
    folder: Path,
    engine: EngineConfig = ENGINE,
    serve: ServeConfig | None = None,
) -> dict[str, float]:
    folder.mkdir(exist_ok=True)
    return make_pool(config, teacher, engine, serve or ServeConfig(), folder, "pool")


def prompts(folder: Path) -> list[str]:
    return [q.prompt for q in read_jsonl(folder / "questions.jsonl", Question)]


def test_each_question_is_asked_once_and_selected_by_the_teacher(
    config: QuestionsConfig, teacher: ModelConfig, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    counts = pool(config, teacher, tmp_path / "pool")
    assert prompts(tmp_path / "pool") == [SUM, SORT, GRAPH]
    assert counts == {
        "rows": 12,
        "withheld": 1,
        "repeated_rows": 6,
        "dropped_near_duplicates": 1,
        "candidates": 4,
        "selected": 3,
        "dropped_not_contest": 1,
        "truncated_lines": 0,
        "questions": 3,
    }
    [near] = read_jsonl(tmp_path / "pool" / "near_duplicates.jsonl", Removed)
    assert (near.question_id, near.of) == ("nemotron/code_v1:1", "nemotron/code_v1:0")
    [rejected] = read_jsonl(tmp_path / "pool" / "rejected.jsonl", Removed)
    assert (rejected.reason, rejected.said) == ("not_contest", "NO")
    assert "contest problems: 3 of 4 (75.0%); none unread" in capsys.readouterr().err


def test_the_teacher_behind_an_http_server_selects_the_same(
    config: QuestionsConfig, teacher: ModelConfig, tmp_path: Path
) -> None:
    with threaded(Path(teacher.path), CONTEXT) as server:
        serve = ServeConfig("external", teacher=ServerConfig(urls=(server.url,)))
        server.fail("drop", after=1)
        pool(config, teacher, tmp_path / "pool", EngineConfig("vllm"), serve)
    assert prompts(tmp_path / "pool") == [SUM, SORT, GRAPH]


def test_interrupted_anywhere_the_teacher_is_asked_for_the_rest_only(
    config: QuestionsConfig, teacher: ModelConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    pool(config, teacher, folder)
    whole = (folder / "questions.jsonl").read_bytes()
    journal = folder / "selection.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    with threaded(Path(teacher.path), CONTEXT) as server:
        serve = ServeConfig("external", teacher=ServerConfig(urls=(server.url,)))
        for n in range(len(lines) + 1):
            journal.write_bytes(b"".join(lines[:n]) + (lines[n][:9] if n < len(lines) else b""))
            (folder / "questions.jsonl").unlink()
            server.prompts.clear()
            counts = pool(config, teacher, folder, EngineConfig("vllm"), serve)
            asked = [prompt for prompt in server.prompts if len(prompt) > 100]  # without probes
            assert len(asked) == len(lines) - n
            assert counts["truncated_lines"] == (n < len(lines))
            assert (folder / "questions.jsonl").read_bytes() == whole
            assert len(journal.read_bytes().splitlines()) == len(lines)


def test_a_teacher_that_answers_something_else_is_given_up_or_its_answers_dropped(
    config: QuestionsConfig, teacher: ModelConfig, tmp_path: Path
) -> None:

    with pytest.raises(DataError, match="takes none of 4 questions"):
        pool(dataclasses.replace(config, selection_tokens=2), teacher, tmp_path / "pool")
    reasons = Counter(r.reason for r in read_jsonl(tmp_path / "pool/rejected.jsonl", Removed))
    assert reasons == {"truncated": 4}
    many = [f"Question {n} of many: what is the sum of {n} and {n * n}?" for n in range(150)]
    data = str(nemotron(tmp_path / "many", many))
    few = dataclasses.replace(config, open_thoughts="", nemotron=data, selection_tokens=2)
    with pytest.raises(DataError, match=r"of 100 answers of the teacher none .*\(truncated 100\)"):
        pool(few, teacher, tmp_path / "other")


def test_an_answer_is_one_word_and_nothing_else() -> None:
    assert [parse(a) for a in ("YES", " no\n", "Yes")] == [True, False, True]
    for other in ("", "YES.", "**YES**", "YES, it is", "I think NO", "maybe"):
        assert parse(other) is None
        assert judged(Answer("q", other, "complete")) == "not_yes_or_no"
    assert judged(Answer("q", "", "length")) == "truncated"
    assert judged(Answer("q", "", "failed", "...")) == "failed"


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., tuple[dict[str, float], list[Question]]]:
    """Draw from a pool of 40 questions, which is made without a teacher."""
    texts = [
        f"Problem {n}: given {n} integers, " + " ".join(f"word{n}x{i}" for i in range(30))
        for n in range(40)
    ]
    made = QuestionsConfig(
        "paper", 80, 20, nemotron=str(nemotron(tmp_path / "data", texts)), select="none"
    )
    folder = tmp_path / "pool"
    folder.mkdir()
    assert make_pool(
        made, ModelConfig("t", "", "qwen3", 1, 1, 1), ENGINE, ServeConfig(), folder, ""
    )

    def make(
        problems: list[tuple[str, str]], **options: int
    ) -> tuple[dict[str, float], list[Question]]:

        config = dataclasses.replace(made, **options)
        out = tmp_path / "draw"
        out.mkdir(exist_ok=True)
        counts = draw(config, folder, problems, out, "draw")
        return counts, list(read_jsonl(out / "questions.jsonl", Question))

    return make


def test_the_draw_is_seeded_and_of_different_questions(drawn: Callable[..., tuple]) -> None:
    counts, first = drawn([])
    assert counts["questions"] == len({q.question_id for q in first}) == 20
    assert drawn([])[1] == first
    assert {q.question_id for q in drawn([], seed=1)[1]} != {q.question_id for q in first}
    every = drawn([], unique=40)[1]
    assert len({q.question_id for q in every}) == 40 and every != sorted(every, key=str)


def test_problems_of_benchmarks_are_kept_out_and_listed(
    drawn: Callable[..., tuple], tmp_path: Path
) -> None:
    problem = "A story. " + " ".join(f"word7x{i}" for i in range(5, 30))
    counts, questions = drawn([("aime/2024 3", problem)], unique=39)
    assert counts["dropped_contaminated"] == 1 and counts["pool"] == 40
    assert "nemotron/code_v1:7" not in {q.question_id for q in questions}
    [removed] = read_jsonl(tmp_path / "draw" / "contaminated.jsonl", Removed)
    assert removed == Removed(
        "nemotron/code_v1:7",
        "contaminated",
        "aime/2024 3",
        " ".join(f"word7x{i}" for i in range(5, 18)),
    )
    with pytest.raises(ConfigError, match=r"39 questions of the pool of 40 are left \(1 are in a"):
        drawn([("aime/2024 3", problem)], unique=40)


def test_a_pool_says_what_is_wrong_with_its_files(
    config: QuestionsConfig, teacher: ModelConfig, tmp_path: Path
) -> None:

    data = nemotron(tmp_path / "math", [SUM], category="math")
    none = dataclasses.replace(config, open_thoughts="", nemotron=str(data))
    with pytest.raises(DataError, match="no question about code in 1 rows of 1 files"):
        pool(none, teacher, tmp_path / "pool")
