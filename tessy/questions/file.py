"""Questions of the user's own: a file of JSON lines.

    {"question_id": "sum-1", "prompt": "Print the sum of two numbers.", "source": "homework"}

`source` and `metadata` (an object) may be left out. A prompt is text, whatever it spells. One that
is too long for a model is no fault of the file: its sample alone fails.
"""

from __future__ import annotations

from pathlib import Path

from tessy.config import QuestionsConfig
from tessy.errors import ConfigError, DataError, MissingError
from tessy.questions.removed import Removed
from tessy.records import Question, dump_line, parse_object

SOURCE = "file"  # of a question that names none


def load(config: QuestionsConfig, world: int = 0) -> tuple[list[Question], list[Removed]]:
    """The first `unique` questions of the file, all if it is 0, and the lines that were skipped.

    Args:
        config: of source=file.
        world: has no part in it.

    Raises:
        MissingError: there is no such file.
        DataError: it is empty, or unless bad lines are skipped, a line is malformed or two have
            the same question_id.
        ConfigError: it has fewer questions than `unique`, or with unique=0 more than `samples`.
    """
    path = Path(config.path)
    if not path.is_file():
        raise MissingError(
            f"the question file {str(path)!r} does not exist", "set questions.path to a file"
        )
    questions, removed = _read(path, skip=config.bad_lines == "skip")
    if not questions and removed:
        raise DataError(
            f"no line of {path} is a question ({len(removed)} bad lines)", removed[0].said
        )
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
    return questions[: config.unique or None], removed


def _read(path: Path, skip: bool) -> tuple[list[Question], list[Removed]]:
    lines: dict[str, int] = {}
    questions, removed = [], []
    with path.open("rb") as file:  # as bytes, so that a wrong one has a line number
        for number, line in enumerate(file, 1):
            try:
                question = _question(line, f"{path}:{number}")
                if question.question_id in lines:
                    raise DataError(
                        f"{path}:{number} has the question_id {question.question_id!r} of line "
                        f"{lines[question.question_id]}",
                        "give each question an id of its own",
                    )
            except DataError as error:
                if not skip:
                    mend = f"{error.mend}, or set questions.bad_lines=skip to go on without it"
                    raise DataError(error.what, mend) from None
                removed.append(Removed(f"{path}:{number}", "bad_line", said=error.what))
                continue
            lines[question.question_id] = number
            questions.append(question)
    return questions, removed


def _question(line: bytes, where: str) -> Question:
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
    return question
