"""Where questions come from, by `QuestionsConfig.source`: one file each.

Those of the paper come in two steps, each an artifact of its own: paper.py.
"""

from __future__ import annotations

from collections.abc import Callable

from tessy.config import QuestionsConfig
from tessy.questions import file, mini
from tessy.questions.removed import Removed
from tessy.records import Question

# Each takes the configuration and the seed of the miniature world; gives the questions, and what
# was left out.
SOURCES: dict[str, Callable[[QuestionsConfig, int], tuple[list[Question], list[Removed]]]] = {
    "mini": mini.load,
    "file": file.load,
}
