"""What a model family's text looks like as tokens.

A dialect renders prompts with the tokenizer's own chat template, and knows as token ids how the
thinking opens and ends and how the answer opens and ends. Inference and training both go through
it, so the ids of a sample are the same in both.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tessy.dialects.chat_template import default_of, render_arguments
from tessy.errors import CheckpointError, ConfigError, DataError
from tessy.records import Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from tessy.dialects.words import Located

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Dialect:
    """One model family, bound to one tokenizer and the arguments of its chat template.

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
    open_answer: str = ""  # what names the answer in `close_think`, or without any thinking
    other_ends: tuple[str, ...] = ()  # tokens that end a response too, where the tokenizer has them
    # Arguments of the chat template; see tessy.dialects.chat_template.
    template: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        markers = (self.open_think, self.close_think, self.end_think, self.end_answer)
        for token in re.findall(r"<[^<>\s]+>", "".join(markers)):
            if token not in self._added:
                raise CheckpointError(
                    f"dialect {self.name!r} needs the token {token}, which the tokenizer in "
                    f"{self.tokenizer.name_or_path!r} does not have",
                    "set the model's dialect, or use a reasoning checkpoint of that family",
                )

    def as_prompted(self) -> Dialect:
        """This dialect without those markers that the chat template already writes.

        Thinking-only checkpoints open the thinking in the prompt; there the response begins inside
        it. Qwen3 with `enable_thinking: false` opens and closes it there; what follows is an
        answer without thinking, and `thinks` is false.

        Raises:
            ConfigError, CheckpointError: the template cannot be rendered with its arguments.
        """
        from jinja2 import TemplateError

        probe = Message("user", "?")
        try:
            prompt = self._render([probe], [probe.content])
        except (TemplateError, TypeError) as error:
            raise ConfigError(
                f"the chat template of {self.tokenizer.name_or_path!r} cannot be rendered with "
                f"{dict(self.template)} ({error})",
                "mend the model's template",
            ) from error
        if prompt.endswith(self.open_think + self.padding + self.close_think):
            return dataclasses.replace(self, open_think="", close_think="", padding="")
        if prompt.endswith(self.open_think):
            return dataclasses.replace(self, open_think="")
        return self

    @property
    def thinks(self) -> bool:
        """Whether a response has thinking; false where the prompt has closed it already."""
        return bool(self.close_think)

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
        ends = {self._added[t] for t in self.other_ends if t in self._added}
        return frozenset({self._added[self.end_answer], int(_eos(self.tokenizer)), *ends})

    @cached_property
    def think_stop_ids(self) -> frozenset[int]:
        """Ids at which a writer stops thinking."""
        return self.stop_ids | {self.end_think_id}

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; text that spells a special token does not become one."""
        ids: list[int] = []
        for _, piece in self._pieces(text):
            ids += self._tokens(piece).ids
        return ids

    def starts(self, text: str) -> NDArray[np.int64]:
        """For each token of `encode(text)`, the index in `text` of its first character."""
        import numpy as np

        found = [at + self._tokens(piece).starts for at, piece in self._pieces(text)]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _pieces(self, text: str) -> list[tuple[int, str]]:
        """`text`, cut inside every name of a special token; each piece with its place."""
        cuts = [0, *(m.start() + 1 for m in self._added_pattern.finditer(text)), len(text)]
        return [(a, text[a:b]) for a, b in pairwise(cuts) if a < b]

    def encode_marker(self, text: str) -> list[int]:
        """Token ids of a marker: special tokens are meant as such."""
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        # By the tokenizer itself: transformers makes a batch of a text, half as fast.
        return list(self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _tokens(self) -> Callable[[str], Located]:
        """Of plain text; the last few are kept: who asks for ids may ask for their places next."""
        from tessy.dialects.words import tokens_of

        return lru_cache(maxsize=8)(tokens_of(self.tokenizer.backend_tokenizer))

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

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation through the generation prompt, by the chat template.

        Contents are text, whatever they spell: no special token comes of them, and a template
        that takes the thinking out of earlier turns by its tags finds none in them.

        Args:
            messages: system and user turns, and the answers of earlier assistant turns.

        Raises:
            DataError: the template leaves a turn out.
        """
        contents = [m.content for m in messages]
        # A character that no content has splits every name of a special token in the contents
        # before the template sees them, and the rendered text once it has.
        mark = next(c for c in map(chr, range(0xE000, 0xF900)) if c not in "".join(contents))
        marked = [
            self._added_pattern.sub(lambda m: f"{m[0][0]}{mark}{m[0][1:]}", c) for c in contents
        ]
        rendered = self._render(messages, marked)
        for message, content in zip(messages, marked, strict=True):
            if content.strip() not in rendered:
                raise DataError(
                    f"the chat template of {self.tokenizer.name_or_path!r} leaves out a turn "
                    f"({message.role}: {message.content!r:.60})",
                    "begin with the system turn, then alternate user and assistant",
                )
        return [i for piece in rendered.split(mark) for i in self._ids(piece)]

    def _render(self, messages: Sequence[Message], contents: Sequence[str]) -> str:
        turns = [{"role": m.role, "content": c} for m, c in zip(messages, contents, strict=True)]
        return str(
            self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **self._arguments
            )
        )

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        source: Any = self.tokenizer.chat_template
        source = default_of(source) if isinstance(source, dict) else source or ""
        return render_arguments(source, self.template, repr(self.tokenizer.name_or_path))

    @cached_property
    def open_ids(self) -> list[int]:
        """What to put after the prompt for the thinking to begin; empty if it has begun there."""
        return self.encode_marker(self.open_think)

    @cached_property
    def close_ids(self) -> list[int]:
        return self.encode_marker(self.close_think)

    @cached_property
    def end_ids(self) -> list[int]:
        return self.encode_marker(self.end_answer)

    def thinking_ids(self, thinking: str) -> list[int]:
        """Ids of closed thinking, from its opening to where the answer begins.

        Raises:
            ConfigError: there is thinking, but the prompt has closed it already.
        """
        body = thinking.strip("\n") if self.padding else thinking
        if not body:  # a family's empty thinking is one marker: its newlines are one token
            return self.encode_marker(self.open_think + self.padding + self.close_think)
        if not self.thinks:
            raise ConfigError(
                f"a response has thinking, but the chat template of "
                f"{self.tokenizer.name_or_path!r} with {dict(self.template)} begins an answer "
                "without any",
                "set the model's template to let it think",
            )
        return self.open_ids + self.encode(body + self.padding) + self.close_ids

    def completion_ids(self, thinking: str, answer: str) -> list[int]:
        """Ids of a whole response, as the model would have generated them."""
        body = answer.lstrip("\n") if self.padding else answer
        return self.thinking_ids(thinking) + self.encode(body) + self.end_ids

    def split(self, ids: Sequence[int], opened: bool = True) -> tuple[str, str]:
        """Thinking and answer of generated ids; the answer is empty if the thinking never ends.

        Args:
            ids: what followed the prompt, with or without the opening of the thinking and the
                final stop token.
            opened: whether the model was made to think, by `open_ids` after the prompt. If it was
                not, it may have answered at once, as a base model does.
        """
        kept = list(ids)
        while kept and kept[-1] in self.stop_ids:
            kept.pop()
        if not self.thinks:
            return "", self.decode(kept)
        opening = self.encode_marker(self.open_think.rstrip("\n"))
        if kept[: len(opening)] == opening:  # also if the prompt has it, and it is empty
            kept, opened = kept[len(opening) :], True
        if self.end_think_id in kept:
            end = kept.index(self.end_think_id)
            return self._plain(kept[:end]), self._answer(kept[end + 1 :])
        return (self._plain(kept), "") if opened else ("", self._answer(kept))

    def _answer(self, ids: Sequence[int]) -> str:
        """The answer in what follows the thinking; harmony may put a message in between."""
        opening = self.encode_marker(self.open_answer)
        for at in range(len(ids) - len(opening) + 1):
            if ids[at : at + len(opening)] == opening:
                return self._plain(ids[at + len(opening) :])
        return ""

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
