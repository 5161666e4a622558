"""Questions of the miniature world: the statements of its train split."""

from __future__ import annotations

from tessy.config import QuestionsConfig
from tessy.mini.world import problems
from tessy.records import Question


def load(config: QuestionsConfig, world: int) -> list[Question]:
    """`unique` questions of the world's train split; their tests are kept only for scoring."""
    return [
        Question(p.problem_id, p.prompt, "mini", {"world": world, **p.metadata})
        for p in problems(world, "train", config.unique)
    ]
