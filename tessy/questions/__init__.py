"""Where questions come from, by `QuestionsConfig.source`: one file each."""

from __future__ import annotations

from collections.abc import Callable

from tessy.config import QuestionsConfig
from tessy.questions import file, mini
from tessy.records import Question

# Each takes the configuration and the seed of the miniature world.
QUESTIONS: dict[str, Callable[[QuestionsConfig, int], list[Question]]] = {
    "mini": mini.load,
    "file": file.load,
}
