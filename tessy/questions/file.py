"""Questions of the user's own: a file of JSON lines.

    {"question_id": "sum-1", "prompt": "Print the sum of two numbers.", "source": "homework"}

`source` and `metadata` (an object) may be left out. A prompt is text, whatever it spells. One that
is too long for a model is no fault of the file: its sample alone fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tessy.config import QuestionsConfig
from tessy.errors import ConfigError, DataError, MissingError
from tessy.records import Question, dump_line, parse_object

SOURCE = "file"  # of a question that names none


def load(config: QuestionsConfig, world: int = 0) -> list[Question]:
    """The first `unique` questions of the file, all if it is 0.

    Args:
        config: of source=file.
        world: has no part in it.

    Raises:
        MissingError: there is no such file.
        DataError: it is empty, a line is malformed, or two have the same question_id.
        ConfigError: it has fewer questions than `unique`, or with unique=0 more than `samples`.
    """
    path = Path(config.path)
    if not path.is_file():
        raise MissingError(
            f"the question file {str(path)!r} does not exist", "set questions.path to a file"
        )
    lines: dict[str, int] = {}
    questions = []
    for number, question in _read(path):
        earlier = lines.setdefault(question.question_id, number)
        if earlier != number:
            raise DataError(
                f"{path}:{number} has the question_id {question.question_id!r} of line {earlier}",
                "give each question an id of its own",
            )
        questions.append(question)
    if not questions:
        raise DataError(f"the question file {path} is empty", "write one question a line")
    if config.unique > len(questions):
        raise ConfigError(
            f"questions.unique={config.unique}, but {path} has {len(questions)} questions",
            "set questions.unique=0 for all of them",
        )
    if not config.unique and len(questions) > config.samples:
        raise ConfigError(
            f"{path} has {len(questions)} questions, but questions.samples={config.samples}",
            f"raise questions.samples, or set questions.unique={config.samples} for the first ones",
        )
    return questions[: config.unique or None]


def _read(path: Path) -> Iterator[tuple[int, Question]]:
    """Each question with the number of its line."""
    with path.open("rb") as lines:  # as bytes, so that a wrong one has a line number
        for number, line in enumerate(lines, 1):
            where = f"{path}:{number}"
            data = {"source": SOURCE, **parse_object(line, where)}
            question = Question.from_json(data, where)
            for name in ("question_id", "prompt"):
                if not data[name].strip():
                    raise DataError(f"{where} has an empty {name}", "mend or delete the line")
            try:
                dump_line(question).encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{where} has half of a character ({error})", "mend its \\u escape"
                ) from None
            yield number, question
