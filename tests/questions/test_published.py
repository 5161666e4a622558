"""Published data sets are read as they lie, with their ids; what cannot be read is named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tessy.errors import DataError, MissingError
from tessy.questions.published import (
    NEMOTRON,
    OPEN_THOUGHTS,
    Published,
    data_files,
    locate_data,
    read_questions,
)
from tessy.records import Question
from tests.questions.published import GRAPH, REVIEW, SORT, SUM, nemotron, open_thoughts


def read(folder: Path, of: Published) -> tuple[list[Question], Counter[str]]:
    counts: Counter[str] = Counter()
    files = data_files(locate_data(str(folder), of), of)
    return [q for path in files for q in read_questions(path, of, counts)], counts


def test_open_thoughts_has_no_ids_so_file_and_row_name_a_question(tmp_path: Path) -> None:
    open_thoughts(tmp_path, [SUM, SORT])
    open_thoughts(tmp_path, [GRAPH])
    open_thoughts(tmp_path, [REVIEW], domain="science")
    questions, counts = read(tmp_path, OPEN_THOUGHTS)
    assert [q.prompt for q in questions] == [SUM, SUM, SORT, SORT, GRAPH, GRAPH]
    assert questions[3].question_id == "open_thoughts/train-00000-of-00120:3"
    assert questions[4] == Question(
        "open_thoughts/train-00001-of-00120:0",
        GRAPH,
        "open_thoughts",
        {"row": "train-00001-of-00120:0", "source": "stackexchange_codegolf", "difficulty": 7},
    )
    assert counts == {"rows": 8, "other_domain": 2}


def test_nemotron_is_read_and_texts_that_were_left_out_are_counted(tmp_path: Path) -> None:
    questions, counts = read(nemotron(tmp_path, [SUM, "-", " \n", GRAPH]), NEMOTRON)
    assert [(q.question_id, q.prompt) for q in questions] == [
        ("nemotron/code_v1:0", SUM),
        ("nemotron/code_v1:3", GRAPH),
    ]
    assert questions[0].metadata["license"] == "cc-by-4.0"
    assert counts == {"rows": 4, "withheld": 1, "dropped_without_question": 1}
    other, counts = read(nemotron(tmp_path, [SUM], category="math"), NEMOTRON)
    assert other == [] and counts["other_domain"] == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"uuid": "u1", "messages": [{"role": "user", "content": SUM}]}, "nemotron/u1"),
        ({"id": 12, "input": SUM}, "nemotron/12"),
        ({"question": SUM, "question_id": "q"}, "nemotron/q"),
        ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": SUM}]}, ""),
    ],
)
def test_ids_are_kept_in_whatever_form_a_question_is_published(
    tmp_path: Path, row: dict[str, object], expected: str
) -> None:
    (tmp_path / "part.jsonl").write_text(json.dumps(row) + "\n")
    [question], _ = read(tmp_path, NEMOTRON)
    assert question.prompt == SUM and question.question_id == (expected or "nemotron/part:0")


def test_what_is_not_there_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"hf download --repo-type dataset a/b --include 'data"):
        locate_data("a/b", OPEN_THOUGHTS)
    with pytest.raises(DataError, match=r"has no SFT/code/\*.jsonl or data/code-\*.parquet"):
        read(tmp_path, NEMOTRON)
    nemotron(tmp_path, [SUM, SORT])
    path = tmp_path / "SFT/code/code_v1.jsonl"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match=r"code_v1.jsonl cannot be read"):
        read(tmp_path, NEMOTRON)
    open_thoughts(tmp_path, [SUM])
    path = tmp_path / "data/train-00000-of-00120.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"00120.parquet cannot be read"):
        read(tmp_path, OPEN_THOUGHTS)
