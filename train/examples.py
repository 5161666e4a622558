"""From stored trajectories to exact training ids, labels and writers.

The ids are the dialect's own: what the model saw and generated at inference is what it is trained
on, token for token. No chat template touches a finished sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tessy.dialects.base import Dialect
from tessy.errors import DataError
from tessy.records import Part, Trajectory, with_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = -100  # label of a token that bears no loss, as torch's cross entropy has it
PROMPT, STUDENT, TEACHER = 0, 1, 2  # who wrote a token
WRITERS = {"student": STUDENT, "teacher": TEACHER}


@dataclass(frozen=True)
class Example:
    """One training sample; the arrays have the length of the whole sequence.

    `labels` is -100 on the prompt and the id itself on the completion. `writers` says who wrote
    each token (0 prompt, 1 student, 2 teacher), so that the loss can be split into capability and
    style as in the paper's eq. 2. A token that straddles two spans belongs to the writer of its
    first character; markers belong to the writer next to them: the opening to the first of the
    thinking, the closing to the last of it, the end to the last of the answer.
    """

    input_ids: NDArray[np.int32]
    writers: NDArray[np.uint8]

    @property
    def labels(self) -> NDArray[np.int32]:
        return np.where(self.writers == PROMPT, IGNORED, self.input_ids)


def example(trajectory: Trajectory, dialect: Dialect, system: str = "") -> Example:
    """The training sample of a complete trajectory.

    Args:
        system: system prompt to put before the conversation (paper, figure 10); empty is none.

    Raises:
        DataError: it has no spans, an empty span, thinking after its answer, no answer, or a span
            of no tokens or more than its bytes.
    """
    thinking, answer = trajectory.text("think"), trajectory.text("answer")
    if not trajectory.spans or any(not span.text for span in trajectory.spans):
        raise malformed(trajectory, "has no spans" if not trajectory.spans else "has empty spans")
    parts = [span.part for span in trajectory.spans]
    if parts != sorted(parts, reverse=True):  # "think" before "answer"
        raise malformed(trajectory, "has thinking after its answer")
    if not answer.strip():
        raise malformed(trajectory, "has no answer")
    for span in trajectory.spans:
        if not 0 < span.n_tokens <= len(span.text.encode()):
            said = f"has a span of {span.n_tokens} tokens and {len(span.text)} characters"
            raise malformed(trajectory, f"{said} ({span.text!r:.60})")
    prompt = dialect.prompt_ids(with_system(trajectory.messages, system))
    completion = dialect.completion_ids(thinking, answer)
    return Example(
        input_ids=np.array(prompt + completion, np.int32),
        writers=np.concatenate(
            (np.full(len(prompt), PROMPT, np.uint8), *_writers(trajectory, dialect))
        ),
    )


def _writers(trajectory: Trajectory, dialect: Dialect) -> list[NDArray[np.uint8]]:
    """Who wrote each token of `dialect.completion_ids`."""
    thinking, answer = trajectory.text("think"), trajectory.text("answer")
    by_think, by_answer = _by_character(trajectory, "think"), _by_character(trajectory, "answer")
    if dialect.padding:  # the dialect strips the newlines that stand next to its markers
        by_think = by_think[len(thinking) - len(thinking.lstrip("\n")) :]
        by_answer = by_answer[len(answer) - len(answer.lstrip("\n")) :]
        thinking, answer = thinking.strip("\n") + dialect.padding, answer.lstrip("\n")
    answered = [by_answer[dialect.starts(answer)], by_answer[-1:].repeat(len(dialect.end_ids))]
    if not len(by_think):  # closed without a thought: by who goes on
        return [by_answer[:1].repeat(len(dialect.thinking_ids(""))), *answered]
    by_think = np.append(by_think, by_think[-1:].repeat(len(dialect.padding)))
    return [
        by_think[:1].repeat(len(dialect.open_ids)),
        by_think[dialect.starts(thinking)],
        by_think[-1:].repeat(len(dialect.close_ids)),
        *answered,
    ]


def _by_character(trajectory: Trajectory, part: Part) -> NDArray[np.uint8]:
    spans = [span for span in trajectory.spans if span.part == part]
    wrote = np.array([WRITERS[span.writer] for span in spans], np.uint8)
    return np.repeat(wrote, [len(span.text) for span in spans])


def malformed(trajectory: Trajectory, what: str) -> DataError:
    return DataError(
        f"sample {trajectory.question_id!r}, repeat {trajectory.repeat}, of method "
        f"{trajectory.method!r} {what}",
        "synthesize it again, or delete its line",
    )
