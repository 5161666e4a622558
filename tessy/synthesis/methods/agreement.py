"""How far a teacher agrees with a student's thinking: a score from teachers that write no grades.

The thinking is divided as Algorithm 1 divides it, by the predictor that reads the student. Where
capability begins, the teacher writes on, as it would in a synthesis, and either says the same or
not. Style does not count: the teacher's is another.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tessy.boundary.spans import Context, Judge, Label, SpanReader
from tessy.boundary.words import words
from tessy.config import SamplingConfig
from tessy.synthesis.parts import Cast, Task, write

PUNCTUATION = ".,;:"  # behind a word; whether it ends a sentence is style
SLACK = 4  # tokens more than the student's words take, as the teacher may divide them otherwise


@dataclass(frozen=True)
class Agreement:
    score: int  # capability spans that the teacher would write so, percent; 0 without any
    generated: int  # tokens in its own tokenizer


async def agreement(cast: Cast, task: Task, thinking: str) -> Agreement:
    """Have the teacher write each capability span of the thinking from where it begins, greedily.

    Raises:
        EngineError: the teacher's engine fails, or the thinking does not fit its context.
    """
    role = cast.roles["teacher"]
    sampling = SamplingConfig(temperature=0, max_tokens=cast.sampling.max_tokens)
    greedy = dataclasses.replace(cast, sampling=sampling)
    prompt = role.dialect.prompt_ids(task.messages) + role.dialect.open_ids
    spans = await capability_spans(cast.predictors["student"], task.session, thinking)
    agreed = generated = 0
    for start, end in spans:
        before = prompt + role.dialect.encode(thinking[:start])
        limit = len(role.dialect.encode(thinking[start:end])) + SLACK
        written = await write(role, greedy, task, before, task.seeds["teacher"], limit)
        generated += written.generated
        said = _bare(thinking[start:end])
        agreed += _bare(role.dialect.decode(written.ids))[: len(said)] == said
    return Agreement(round(100 * agreed / max(len(spans), 1)), generated)


async def capability_spans(judge: Judge, session: str, thinking: str) -> list[tuple[int, int]]:
    """Where the capability spans of a student's thinking begin and end, in characters."""
    found: list[tuple[int, int]] = []
    context, start = Context(judge), 0
    wrong: Label = "capability"
    while start < len(thinking.rstrip()):
        reader = SpanReader(judge, session, context.window(), wrong)
        cut = await reader.must_end(thinking[start:], ended=True)
        end = start + reader.judged if cut else len(thinking)
        if wrong == "style" and end > start:
            found.append((start, end))
        context.extend(thinking[start:end])
        start, wrong = end, "style" if wrong == "capability" else "capability"
    return found


def _bare(text: str) -> list[str]:
    return [word.strip().rstrip(PUNCTUATION) for word in words(text)]
