"""What the miniature models are pretrained on: token ids and loss weights, made on the fly.

Only compositions that no world uses are drawn. Batch `step` of a seed is always the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tessy.dialects.base import Dialect
from tessy.mini.style import Document, mixed_document, student_document, teacher_document
from tessy.mini.world import MiniProblem, draw, is_for_pretraining
from tessy.records import Message

if TYPE_CHECKING:
    import torch

CAPABILITY_WEIGHT = 2.0
# Of the student's documents. As with the paper's pair the teacher's style is foreign but not
# unknown: a student that never met its words writes nothing sensible after one glance at them.
FOREIGN_SHARE = 0.004
MIXED_SHARE = 0.5  # of the teacher's documents: going on from the student's words


@dataclass(frozen=True)
class Row:
    """One sequence: ids, and for each the weight of its loss (or its label, for predictors)."""

    ids: list[int]
    weights: list[float]


def pretraining_length(rng: random.Random, progress: float) -> int:
    """Operations of every problem of a batch (so that little is padding); short ones first,
    while the models learn to copy."""
    return 2 if rng.random() < 0.7 - 2 * progress else rng.randint(2, 4)


def pretraining_problem(rng: random.Random, length: int) -> MiniProblem:
    """A problem of `length` operations that no world has."""
    while True:
        problem = draw(rng, length)
        if is_for_pretraining(problem.composition):
            return problem


def student_row(dialect: Dialect, rng: random.Random, length: int) -> Row:
    problem = pretraining_problem(rng, length)
    if rng.random() < FOREIGN_SHARE:
        return _row(dialect, problem, teacher_document(problem))
    return _row(dialect, problem, student_document(problem, rng))


def teacher_row(dialect: Dialect, rng: random.Random, length: int) -> Row:
    problem = pretraining_problem(rng, length)
    if rng.random() < MIXED_SHARE:
        return _mixed_row(dialect, problem, mixed_document(problem, rng))
    return _row(dialect, problem, teacher_document(problem))


def expert_row(dialect: Dialect, rng: random.Random, length: int) -> Row:
    """The second teacher's: the student's style, the right fragments, no wrong drafts."""
    problem = pretraining_problem(rng, length)
    return _row(dialect, problem, student_document(problem, rng, unsure=False, drafts=0.0))


def predictor_row(
    dialect: Dialect,
    document: Callable[[MiniProblem], Document],
    rng: random.Random,
    length: int,
) -> Row:
    """Thinking from a random word on, with the label of each token: 1 style, 0 capability."""
    pieces = document(pretraining_problem(rng, length)).thinking
    pieces = pieces[rng.randrange(len(pieces)) :] if rng.random() < 0.5 else pieces
    row = Row([], [])
    for text, is_capability in pieces:
        _extend(row, dialect.encode(text), 0.0 if is_capability else 1.0)
    return row


def _row(dialect: Dialect, problem: MiniProblem, document: Document) -> Row:
    row = _prompt(dialect, problem)
    for text, is_capability in document.thinking:
        _extend(row, dialect.encode(text), CAPABILITY_WEIGHT if is_capability else 1.0)
    if dialect.padding:
        _extend(row, dialect.encode(dialect.padding), 1.0)
    _extend(row, dialect.close_ids, 1.0)
    _extend(row, dialect.encode(document.answer), 1.0)
    _extend(row, dialect.end_ids, 1.0)
    return row


def _mixed_row(dialect: Dialect, problem: MiniProblem, document: Document) -> Row:
    """Loss where the teacher writes: the right fragments, and its own style after the last."""
    row = _prompt(dialect, problem)
    last = len(document.thinking) - 1
    for n, (text, is_capability) in enumerate(document.thinking):
        right = is_capability and not _is_wrong_draft(document, n)
        weight = CAPABILITY_WEIGHT if right else 1.0 if n == last else 0.0
        _extend(row, dialect.encode(text), weight)
    return row


def _is_wrong_draft(document: Document, n: int) -> bool:
    following = document.thinking[n + 1 : n + 2]
    return bool(following) and "not right" in following[0][0]


def _prompt(dialect: Dialect, problem: MiniProblem) -> Row:
    row = Row([], [])
    _extend(row, dialect.prompt_ids([Message("user", problem.statement)]), 0.0)
    _extend(row, dialect.open_ids, 1.0)
    return row


def _extend(row: Row, ids: list[int], weight: float) -> None:
    row.ids.extend(ids)
    row.weights.extend([weight] * len(ids))


def batch_of(
    rows: list[Row], pad: int, multiple: int = 32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids, weights and mask, (rows, length); few lengths, for kernels to be reused."""
    import torch

    length = -(-max(len(r.ids) for r in rows) // multiple) * multiple
    ids = torch.full((len(rows), length), pad)
    weights = torch.zeros((len(rows), length))
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        weights[n, : len(row.ids)] = torch.tensor(row.weights)
        mask[n, : len(row.ids)] = 1
    return ids, weights, mask
