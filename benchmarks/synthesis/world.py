"""The scripted samples: who should write which token, and what each model writes there.

The label of the token at a place of a sample depends on sample and place alone. Both models write a
token with that label wherever they are asked to go on, so a writer runs on into the other's part
until it is cut, as real models do. A word is one token in both tokenizers and begins with its
space, as in most vocabularies, so it is closed when the next one has begun.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path

from benchmarks.synthesis.server import Script
from tessy.boundary.spans import Label
from tessy.config import ModelConfig
from tessy.dialects import Dialect, load_dialect
from tessy.dialects.words import QWEN3
from tessy.engines import Request
from tessy.mini.tokenizers import byte_level_bpe
from tessy.records import Question, Writer
from tessy.synthesis.parts import Task

STYLE_SPAN, CAPABILITY_SPAN = 6.2, 20.8  # tokens on average, geometric: 77 % is the teacher's
THINKING, ANSWER = 12_800, 600  # tokens a sample on average, spread evenly by a quarter
PROMPT = 400  # tokens a question
CONTEXT = 65_536
_WORDS = 400  # of each label and writer
_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_HARMONY = ("<|return|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>")
_QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HARMONY_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
# That of gpt-oss's o200k_harmony.
_O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_WRITERS: tuple[Writer, ...] = ("student", "teacher")
_LABELS: tuple[Label, ...] = ("style", "capability")


def word(label: Label, writer: Writer, n: int) -> str:
    """A word of five letters: `s` or `c` for the label, one for the writer, its number."""
    a, b, c = n // 676 % 26, n // 26 % 26, n % 26
    letters = "".join(chr(97 + i) for i in (a, b, c))
    return f" {label[0]}{'a' if writer == 'student' else 'b'}{letters}"


def next_label_of(text: str) -> Label:
    """The label of the token that follows a word of the script, which its number carries."""
    return "style" if (ord(text.lstrip()[-1]) - 97) % 2 else "capability"


def label_of(text: str) -> Label:
    """The label of a word, which it carries in its first letter."""
    return "style" if text.lstrip()[0] == "s" else "capability"


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample's script. Places are tokens of thinking."""

    task: Task
    ends: tuple[int, ...]  # where each span ends; the first is style, then they alternate
    thinking: dict[Writer, Sequence[int]]  # what each model writes at each place
    answer: Sequence[int]  # of the student
    begun: int = 0  # spans that an earlier run has made

    @property
    def tokens(self) -> int:
        """Tokens of the finished sample."""
        return self.ends[-1] + len(self.answer)

    @property
    def reached(self) -> int:
        """The place where the earlier run stopped."""
        return self.ends[self.begun - 1] if self.begun else 0

    def spans(self) -> Iterator[tuple[Writer, slice]]:
        """Who should write which places."""
        for number, places in enumerate(pairwise((0, *self.ends))):
            yield _WRITERS[number % 2], slice(*places)


class World:
    """The samples, and both models' dialects with tokenizers built in `folder`.

    Args:
        folder: receives the tokenizers, or has those of an equal world.
        n_samples: how many.
        scale: of the samples' lengths, for tests.
        seed: of the scripts.
        begun: so many samples have been begun, and each has come just anywhere in its thinking, as
            the samples in flight in the midst of a long synthesis.
    """

    def __init__(
        self, folder: Path, n_samples: int, scale: float = 1.0, seed: int = 0, begun: int = 0
    ) -> None:
        self.models: dict[Writer, ModelConfig] = {
            "student": ModelConfig("student", str(folder / "student"), "qwen3", 8e9, 8e9, CONTEXT),
            "teacher": ModelConfig(
                "teacher", str(folder / "teacher"), "gpt_oss", 1e9, 1e9, CONTEXT
            ),
        }
        _save_tokenizer(folder / "student", QWEN3, _QWEN, _QWEN_TEMPLATE, "<|im_end|>")
        _save_tokenizer(folder / "teacher", _O200K, _HARMONY, _HARMONY_TEMPLATE, "<|return|>")
        self.dialects: dict[Writer, Dialect] = {
            w: load_dialect(m.dialect, folder / w) for w, m in self.models.items()
        }
        self._ids = {
            (label, w): [
                i for n in range(_WORDS) for i in self.dialects[w].encode(word(label, w, n))
            ]
            for label, w in product(_LABELS, _WRITERS)
        }
        assert all(len(ids) == _WORDS for ids in self._ids.values()), "a word is one token"
        self._closing = {
            w: len(d.encode(d.padding)) + len(d.close_ids) for w, d in self.dialects.items()
        }
        draw = random.Random(seed)
        self.samples = [self._sample(n, draw, scale) for n in range(n_samples)]
        for n, sample in enumerate(self.samples[:begun]):
            reached = int(draw.random() * len(sample.ends))
            self.samples[n] = dataclasses.replace(sample, begun=reached)
        self._by_session = {s.task.session: s for s in self.samples}

    def _sample(self, number: int, draw: random.Random, scale: float) -> Sample:
        length = THINKING * scale * draw.uniform(0.75, 1.25)
        ends: list[int] = []
        labels: list[Label] = []
        while len(labels) < length:
            mean = CAPABILITY_SPAN if len(ends) % 2 else STYLE_SPAN
            labels += [_LABELS[len(ends) % 2]] * _geometric(draw, mean)
            ends.append(len(labels))
        following = [label == "style" for label in (*labels[1:], labels[-1])]
        thinking: dict[Writer, Sequence[int]] = {
            w: [
                draw.choice(self._ids[label, w][style_follows::2])
                for label, style_follows in zip(labels, following, strict=True)
            ]
            for w in _WRITERS
        }
        n_answer = max(1, int(ANSWER * scale * draw.uniform(0.75, 1.25)))
        answer = [draw.choice(self._ids["capability", "student"]) for _ in range(n_answer)]
        prompt = "".join(
            word("capability", "student", draw.randrange(_WORDS)) for _ in range(PROMPT)
        )
        question = Question(f"q{number}", prompt, "benchmark")
        return Sample(Task(question, 0, 0), tuple(ends), thinking, answer)

    @cached_property
    def prompts(self) -> dict[str, dict[Writer, tuple[int, ...]]]:
        """Prompt and opening of the thinking as each model sees them, by session."""
        return {
            s.task.session: {
                w: (*d.prompt_ids(s.task.messages), *d.open_ids) for w, d in self.dialects.items()
            }
            for s in self.samples
        }

    def script(self, writer: Writer, request: Request) -> Script:
        """What `writer` generates for a request of the cooperation."""
        ids, place = self._at(writer, request)
        rest = len(ids) - place
        n = min(rest, request.max_tokens)
        return Script(ids[place : place + n], rest < request.max_tokens)

    def text(self, sample: Sample) -> str:
        """The finished sample: each span by the model whose label it has, then the answer."""
        spans = (
            self.dialects[w].decode(sample.thinking[w][places]) for w, places in sample.spans()
        )
        return "".join(spans) + self.dialects["student"].decode(sample.answer)

    def right(self, writer: Writer, request: Request) -> int:
        """How many of its tokens are kept: up to the first that the other should have written."""
        ids, place = self._at(writer, request)
        sample = self._by_session[request.session]
        if ids is sample.answer:
            return len(ids) - place
        span = bisect.bisect_right(sample.ends, place)
        mine = "teacher" if span % 2 else "student"
        return sample.ends[span] - place if mine == writer and span < len(sample.ends) else 0

    def _at(self, writer: Writer, request: Request) -> tuple[Sequence[int], int]:
        """The scripted ids that a request goes on in, and where."""
        sample, dialect = self._by_session[request.session], self.dialects[writer]
        place = len(request.prompt_ids) - len(self.prompts[request.session][writer])
        if dialect.end_think_id in request.stop_ids:
            return sample.thinking[writer], place
        return sample.answer, place - sample.ends[-1] - self._closing[writer]


def _geometric(draw: random.Random, mean: float) -> int:
    """At least 1."""
    return 1 + int(math.log(1 - draw.random()) / math.log(1 - 1 / mean))


def _save_tokenizer(
    folder: Path, expression: str, special: Sequence[str], template: str, end: str
) -> None:
    """A byte-level BPE in which each scripted word is one token."""
    from transformers import PreTrainedTokenizerFast

    if folder.exists():
        return
    words = [word(*key, n) for key in product(_LABELS, _WRITERS) for n in range(_WORDS)]
    # Texts are cut as the family's own tokenizer cuts them.
    tokenizer = byte_level_bpe(words, special, 100_000, expression)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=end, chat_template=template
    ).save_pretrained(folder)
