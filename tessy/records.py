"""What tessy stores: questions, spans, trajectories, judged answers. One schema, in one place.

Every record is a frozen dataclass with `to_json` (a plain dictionary) and `from_json`, which
refuses unknown and missing keys and values of another type. Files are JSON lines while a stage
runs; a finished synthesis is also a Hugging Face `datasets` folder of the same fields.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from tessy.errors import DataError

# Files of an artifact, a record a line.
QUESTIONS = "questions.jsonl"
TRAJECTORIES = "trajectories.jsonl"
ANSWERS = "answers.jsonl"

Writer = Literal["student", "teacher"]
Part = Literal["think", "answer"]
Finish = Literal["complete", "length", "degenerate", "failed"]
Verdict = Literal[
    "accepted",
    "wrong_answer",
    "runtime_error",
    "time_limit",
    "memory_limit",
    "output_limit",
    "compile_error",
    "no_code",
    "judge_fault",
]


class Record:
    """Mixin: JSON in and out, checked against the dataclass's own type hints."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "") -> Self:
        """Build the record from a JSON object; `where` ("file:line") goes into the error."""
        return _build(cls, data, where or cls.__name__)


@dataclass(frozen=True)
class Question(Record):
    """A question to synthesize an answer for. `question_id` is unique in its file."""

    question_id: str
    prompt: str
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Message(Record):
    role: Literal["system", "user", "assistant"]
    content: str


def with_system(messages: Sequence[Message], system: str) -> tuple[Message, ...]:
    """A conversation under a system prompt, which comes before one that it has; empty is none."""
    if not system:
        return tuple(messages)
    if messages[0].role == "system":
        return (Message("system", f"{system}\n\n{messages[0].content}"), *messages[1:])
    return (Message("system", system), *messages)


@dataclass(frozen=True)
class Span(Record):
    """A stretch of a response that one model wrote.

    `n_tokens` is counted with the student's tokenizer, whoever wrote the span (paper, fig. 12).
    """

    writer: Writer
    part: Part
    text: str
    n_tokens: int


@dataclass(frozen=True)
class Trajectory(Record):
    """One synthesized sample; the key is (question_id, repeat), never the question alone.

    The text is canonical: the concatenation of the spans' texts is the response, byte for byte.
    Thinking spans come before answer spans; the markers that open and close the thinking belong
    to the dialect and are not stored. `tokens` counts tokens generated and kept per role
    ("student_generated", "student_kept", "teacher_generated", ...), and of those kept the ones
    that another method's sample had ("teacher_reused"); `seconds` is wall time. `metadata` says
    what else the sample owes its text to: the `reference` that the student was shown, the
    `scores` of the candidates and the index of the one that was `kept`, the method that a whole
    response was taken `from`.
    """

    question_id: str
    repeat: int
    method: str
    messages: tuple[Message, ...]
    spans: tuple[Span, ...]
    finish: Finish
    tokens: Mapping[str, int]
    seconds: float
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        return self.question_id, self.repeat

    def text(self, part: Part | None = None) -> str:
        """The response, or one part of it."""
        return "".join(s.text for s in self.spans if part in (None, s.part))


@dataclass(frozen=True)
class TestCase(Record):
    """One test of a program that reads stdin and writes stdout."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    stdin: str
    expected: str


@dataclass(frozen=True)
class Problem(Record):
    """A benchmark problem: the prompt as the model sees it, and how it is judged.

    `tests` are those of a problem that is small enough to hold them. Others lie in archives:
    `data` is where, as its benchmark spells it (a folder, an archive, a line of a file).
    """

    problem_id: str
    prompt: str
    tests: tuple[TestCase, ...] = ()
    difficulty: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""


@dataclass(frozen=True)
class JudgedAnswer(Record):
    """One answer of one model to one benchmark problem, judged. Key: (problem_id, run)."""

    problem_id: str
    run: int
    response: str
    finish: Finish
    n_tokens: int
    verdict: Verdict
    passed: bool
    message: str = ""
    style: Mapping[str, float] = field(default_factory=dict)
    difficulty: str = ""  # of the problem, in its benchmark's words
    split: str = ""  # the part of the benchmark that it belongs to

    @property
    def key(self) -> tuple[str, int]:
        return self.problem_id, self.run


R = TypeVar("R", bound=Record)


def read_jsonl(path: Path, kind: type[R]) -> Iterator[R]:
    """Read records, one a line; a bad line raises `DataError` with file and line number."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            yield parse_line(line, kind, f"{path}:{number}")


def parse_line(line: str, kind: type[R], where: str) -> R:
    """The record of one JSON line; `where` ("file:line") goes into the error."""
    import msgspec

    try:
        for decoder in _decoders(kind):  # type: ignore[arg-type]
            record: R = decoder.decode(line)
    except msgspec.MsgspecError:
        return kind.from_json(parse_object(line, where), where)  # it says what is wrong
    return record


def parse_object(line: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object of one line."""
    try:
        data = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is not JSON ({error})", "mend or delete the line") from None
    if not isinstance(data, dict):
        raise DataError(f"{where} is not a JSON object", "mend or delete the line")
    return data


def dump_line(record: Record) -> str:
    """A record as one JSON line, newline included."""
    return json.dumps(record.to_json(), ensure_ascii=False, default=dict) + "\n"


@cache
def _decoders(kind: type) -> tuple[Any, Any]:
    """Several times as fast as `from_json`: one that refuses unknown keys, which msgspec's decoder
    of a dataclass passes over, and that decoder.
    """
    import msgspec

    return msgspec.json.Decoder(_strict(kind)), msgspec.json.Decoder(kind)


@cache
def _strict(hint: Any) -> Any:
    """A type hint with structs that allow no other keys in place of records."""
    import msgspec

    if typing.get_origin(hint) is tuple:
        return tuple[_strict(typing.get_args(hint)[0]), ...]  # type: ignore[misc]
    if not dataclasses.is_dataclass(hint):
        return hint
    hints, absent = _hints(hint), dataclasses.MISSING  # type: ignore[arg-type]
    fields: list[Any] = [
        (f.name, _strict(hints[f.name]))
        if f.default is absent and f.default_factory is absent
        else (f.name, _strict(hints[f.name]), msgspec.UNSET)
        for f in dataclasses.fields(hint)
    ]
    return msgspec.defstruct(hint.__name__, fields, forbid_unknown_fields=True)  # type: ignore[union-attr]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: type[R], data: Mapping[str, Any], where: str) -> R:
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(fields))
    required = [
        name
        for name, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in data]
    if unknown or missing:
        said = "; ".join(
            f"{word} {', '.join(names)}"
            for word, names in (("unknown", unknown), ("missing", missing))
            if names
        )
        raise DataError(f"{where}: not a {kind.__name__} ({said})", "mend or delete the line")
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(
        **{k: _value(hints[k], v, f"{where}: {kind.__name__}.{k}") for k, v in data.items()}
    )


def _value(hint: Any, value: Any, where: str) -> Any:
    """Check `value` against a type hint as the records above use them; rebuild what is nested."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if isinstance(hint, type) and issubclass(hint, Record):
        if isinstance(value, Mapping):
            return _build(hint, value, where)
    elif origin is Literal:
        if value in typing.get_args(hint):
            return value
    elif origin is tuple:
        if isinstance(value, list | tuple):
            item = typing.get_args(hint)[0]
            return tuple(_value(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    elif origin is Mapping or origin is typing.get_origin(Mapping[str, Any]):
        if isinstance(value, Mapping):
            item = typing.get_args(hint)[1]
            return {str(k): _value(item, v, f"{where}.{k}") for k, v in value.items()}
    elif isinstance(hint, types.UnionType):
        if any(isinstance(value, option) for option in typing.get_args(hint)):
            return value
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return value
    raise DataError(f"{where} is {value!r:.80}, not {hint}", "mend or delete the line")
