"""What a model family's text looks like as tokens.

A dialect renders prompts with the tokenizer's own chat template, and knows as token ids how the
thinking opens and ends and how the answer opens and ends. Inference and training both go through
it, so the ids of a sample are the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tessy.errors import CheckpointError
from tessy.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Dialect:
    """One model family, bound to one tokenizer.

    The markers are text in which special tokens are meant as such. Thinking and answer are
    stored without them and without the newlines in `padding` that stand next to them.
    """

    name: str
    tokenizer: PreTrainedTokenizerBase
    open_think: str  # what the model writes after the generation prompt to begin thinking
    close_think: str  # from the end of the thinking to the first character of the answer
    end_think: str  # the token in `close_think` by which a writer ends its thinking
    end_answer: str  # the token that ends the whole response
    padding: str = ""  # newline that the format puts between thinking and `close_think`

    def __post_init__(self) -> None:
        for marker in (self.open_think, self.close_think, self.end_answer):
            for token in re.findall(r"<\|?[/a-z_]+\|?>", marker):
                if token not in self._added:
                    raise CheckpointError(
                        f"dialect {self.name!r} needs the token {token}, which the tokenizer in "
                        f"{self.tokenizer.name_or_path!r} does not have",
                        "set the model's dialect, or use a reasoning checkpoint of that family",
                    )

    @cached_property
    def _added(self) -> dict[str, int]:
        return dict(self.tokenizer.get_added_vocab())

    @cached_property
    def _added_pattern(self) -> re.Pattern[str]:
        return re.compile(
            "|".join(re.escape(t) for t in sorted(self._added, key=len, reverse=True))
        )

    @cached_property
    def end_think_id(self) -> int:
        return self._added[self.end_think]

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end the whole response; a family's end of text counts too."""
        return frozenset({self._added[self.end_answer], int(_eos(self.tokenizer))})

    @cached_property
    def think_stop_ids(self) -> frozenset[int]:
        """Ids at which a writer stops thinking."""
        return self.stop_ids | {self.end_think_id}

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; text that spells a special token does not become one."""
        return [i for _, piece in self._pieces(text) for i in self._ids(piece)]

    def starts(self, text: str) -> list[int]:
        """For each token of `encode(text)`, the index in `text` of its first character."""
        starts = []
        for at, piece in self._pieces(text):
            encoded = self.tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True)
            starts += [at + first for first, _ in encoded["offset_mapping"]]
        return starts

    def _pieces(self, text: str) -> list[tuple[int, str]]:
        """`text`, cut inside every name of a special token; each piece with its place."""
        cuts = [0, *(m.start() + 1 for m in self._added_pattern.finditer(text)), len(text)]
        return [(a, text[a:b]) for a, b in pairwise(cuts) if a < b]

    def encode_marker(self, text: str) -> list[int]:
        """Token ids of a marker: special tokens are meant as such."""
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included, nothing cleaned up."""
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    def count(self, text: str) -> int:
        """Number of tokens of plain text."""
        return len(self.encode(text))

    def prompt_ids(self, messages: Sequence[Message], **template: Any) -> list[int]:
        """Ids of a conversation through the generation prompt, by the chat template.

        Args:
            messages: system and user turns, and earlier assistant turns.
            template: further arguments of the template, such as `reasoning_effort`.
        """
        contents = [m.content for m in messages]
        if not any(self._added_pattern.search(c) for c in contents):
            return self._ids(self._render(messages, contents, template))
        # Contents that spell special tokens are rendered as marks and encoded as plain text.
        marks = [f"\ue000{n}\ue001" for n in range(len(contents))]
        pieces = re.split("\ue000([0-9]+)\ue001", self._render(messages, marks, template))
        ids = []
        for n, piece in enumerate(pieces):
            ids += self.encode(contents[int(piece)]) if n % 2 else self._ids(piece)
        return ids

    def _render(
        self, messages: Sequence[Message], contents: Sequence[str], template: dict[str, Any]
    ) -> str:
        turns = [{"role": m.role, "content": c} for m, c in zip(messages, contents, strict=True)]
        return str(
            self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **template
            )
        )

    @cached_property
    def open_ids(self) -> list[int]:
        return self.encode_marker(self.open_think)

    @cached_property
    def close_ids(self) -> list[int]:
        return self.encode_marker(self.close_think)

    @cached_property
    def end_ids(self) -> list[int]:
        return self.encode_marker(self.end_answer)

    def thinking_ids(self, thinking: str) -> list[int]:
        """Ids of closed thinking, from its opening to where the answer begins."""
        body = thinking.strip("\n") if self.padding else thinking
        return self.open_ids + self.encode(body + self.padding) + self.close_ids

    def completion_ids(self, thinking: str, answer: str) -> list[int]:
        """Ids of a whole response, as the model would have generated them."""
        body = answer.lstrip("\n") if self.padding else answer
        return self.thinking_ids(thinking) + self.encode(body) + self.end_ids

    def split(self, ids: Sequence[int]) -> tuple[str, str]:
        """Thinking and answer of generated ids; the answer is empty if the thinking never ends.

        Args:
            ids: what followed the generation prompt, with or without the opening of the
                thinking and the final stop token.
        """
        kept = list(ids)
        while kept and kept[-1] in self.stop_ids:
            kept.pop()
        if kept[: len(self.open_ids)] == self.open_ids:
            kept = kept[len(self.open_ids) :]
        if self.end_think_id not in kept:
            return self._plain(kept), ""
        end = kept.index(self.end_think_id)
        answer = kept[end + 1 :]
        last = self.close_ids[-1]  # harmony names the channel before the answer begins
        if last in self._added.values() and last != self.end_think_id and last in answer:
            answer = answer[answer.index(last) + 1 :]
        return self._plain(kept[:end]), self._plain(answer)

    def _plain(self, ids: Sequence[int]) -> str:
        text = self.decode(ids)
        return text.strip("\n") if self.padding else text


def _eos(tokenizer: PreTrainedTokenizerBase) -> Any:
    if tokenizer.eos_token_id is None:
        raise CheckpointError(
            f"the tokenizer in {tokenizer.name_or_path!r} has no end-of-sequence token",
            "complete its tokenizer_config.json",
        )
    return tokenizer.eos_token_id
