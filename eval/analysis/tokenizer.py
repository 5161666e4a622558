"""The student's tokenizer as the analysis needs it: many texts at once, and which ids are words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer


@dataclass(frozen=True)
class StudentTokens:
    """Token ids of texts."""

    tokenizer: Tokenizer

    @classmethod
    def of(cls, folder: Path) -> StudentTokens:
        """The tokenizer of a checkpoint's folder."""
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))

    @property
    def vocabulary(self) -> int:
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """The ids of each text, without special tokens of its own."""
        for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
            yield encoding.ids

    def words(self) -> list[str]:
        """For each id the word that it is, in lower case; "" where it is a piece, number or sign.

        A frequent word is one token in the vocabularies of the students; one of several tokens is
        not counted. A token that begins without a blank may also be the end of a longer word:
        only those with one count, and those that begin with a capital.
        """
        decoded = (self.tokenizer.decode([n]) for n in range(self.vocabulary))
        return [_word(text) for text in decoded]


def _word(text: str) -> str:
    word = text.strip()
    begins = text[:1].isspace() or word[:1].isupper()
    return word.lower() if begins and word.isalpha() else ""
