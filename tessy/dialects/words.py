"""The tokens of long texts, quickly: what a word becomes is remembered.

A byte-level tokenizer first cuts a text by a regular expression and then knows nothing beyond a
piece. Where the expression is one of those below, a text may be cut into words by a cheaper one:
each of its cuts is one of the tokenizer's own too, whatever surrounds it. So the tokens of a text
are those of its words, and most words have been seen before.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

REMEMBERED = 1 << 17  # words; then the memory begins anew, at some 30 MB

# Those of Qwen3's tokenizer.json and of the miniature student. In both, no piece holds: something
# before a blank that is not itself white; anything after white space's last newline; anything
# beside a digit but white space before it; anything after an ASCII letter but what is neither
# white nor ASCII. Neither looks back, nor ahead except from white space.
QWEN3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MINIATURE = r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]|\n+| +"
CUTTABLE = (QWEN3, MINIATURE)
# White space of Python's contains that of the tokenizers. What is white but no blank, tab or
# newline is left with what surrounds it; a text with a carriage return is not cut.
WORD = re.compile(
    r"""
    [^\S\n]*+ [^\sA-Za-z0-9]*+ [A-Za-z]++ (?![^\x00-\x7f])
    | [^\S\n]*+ [0-9]{1,3}
    | [^\S\n]*+ [^\sA-Za-z0-9]++ (?: (?=[0-9\x20\t]) | \n (?:\s*\n)? | \Z )
    | \s*\n
    | \s*\S+ (?: (?![\x20\t\n])\s+\S* )* (?: \n (?:\s*\n)? )?
    | \s+
    """,
    re.VERBOSE,
)


class Located:
    """Tokens of a text.

    Args:
        ids: of the tokens.
        starts: how `starts` is found, once it is asked for.
    """

    def __init__(self, ids: list[int], starts: Callable[[], NDArray[np.int64]]) -> None:
        self.ids = ids
        self._starts = starts

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Index in the text of each token's first character, shape [tokens]."""
        return self._starts()


def tokens_of(backend: Tokenizer) -> Callable[[str], Located]:
    """The tokens of a plain text, in which nothing spells a special token."""
    words = _Words(backend)
    if not _cuttable(backend):
        return words.whole

    def tokens(text: str) -> Located:
        return words.whole(text) if "\r" in text else words.located(text)

    return tokens


def _cuttable(backend: Tokenizer) -> bool:
    """Whether the tokenizer cuts by one of CUTTABLE, and nothing else of it reaches over a cut."""
    from tokenizers import pre_tokenizers

    def stated(part: Any) -> dict[str, Any]:
        return dict(json.loads(part.__getstate__())) if part is not None else {}

    before, after = stated(backend.pre_tokenizer), stated(backend.post_processor)
    match before.get("pretokenizers"):
        case [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"} as split,
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ] if pattern in CUTTABLE and not split["invert"]:
            pass
        case _:
            return False
    # A word of which nothing or not the beginning is kept would shift what follows.
    whole = set(pre_tokenizers.ByteLevel.alphabet()) <= backend.get_vocab().keys()
    trims = after.get("type") == "ByteLevel" and after["trim_offsets"]
    return whole and not trims and stated(backend.normalizer).get("type", "NFC") == "NFC"


class _Words(dict[str, bytes]):
    """Of each token of a word its id, and how many characters it is to the next one's first, as
    pairs of int32.
    """

    def __init__(self, backend: Tokenizer) -> None:
        super().__init__()
        self.backend = backend

    def __missing__(self, word: str) -> bytes:
        if len(self) == REMEMBERED:
            self.clear()
        found = self.backend.encode(word, add_special_tokens=False)
        starts = [at for at, _ in found.offsets]
        pairs = array("i")  # of numpy, a word's array takes as long as its tokens
        for token, start, after in zip(found.ids, starts, [*starts[1:], len(word)], strict=True):
            pairs.extend((token, after - start))
        self[word] = stored = pairs.tobytes()
        return stored

    def whole(self, text: str) -> Located:
        """By the tokenizer."""
        found = self.backend.encode(text, add_special_tokens=False)
        return Located(found.ids, lambda: np.array([at for at, _ in found.offsets], np.int64))

    def located(self, text: str) -> Located:
        """By its words."""
        pairs = b"".join(map(self.__getitem__, WORD.findall(text)))
        ids, steps = np.frombuffer(pairs, np.int32).reshape(-1, 2).T
        return Located(ids.tolist(), lambda: np.cumsum(steps, dtype=np.int64) - steps)
