"""Questions of the miniature world: the statements of its train split."""

from __future__ import annotations

from tessy.config import QuestionsConfig
from tessy.mini.world import problems
from tessy.questions.removed import Removed
from tessy.records import Question


def load(config: QuestionsConfig, world: int) -> tuple[list[Question], list[Removed]]:
    """`unique` questions of the world's train split; their tests are kept only for scoring."""
    questions = [
        Question(p.problem_id, p.prompt, "mini", {"world": world, **p.metadata})
        for p in problems(world, "train", config.unique)
    ]
    return questions, []
