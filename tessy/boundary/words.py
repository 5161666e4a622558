"""Words of a growing text: what is judged, and where a span may be cut.

A word is whitespace and the rest up to the next whitespace. It is closed, and may be judged, once
whitespace follows it or the span ends; so what a word is depends only on the text before its end.
"""

from __future__ import annotations

import re

_CLOSED = re.compile(r"\s*\S+(?=\s)")
_WORD = re.compile(r"\s*\S+")


def closed_words(text: str, start: int, ended: bool) -> list[str]:
    """The closed words of `text` from `start` on, which is 0 or the end of a closed word.

    Args:
        text: a span as far as it is written.
        start: offset in characters.
        ended: the span ends here, which closes the last word.
    """
    return (_WORD if ended else _CLOSED).findall(text, start)


def words(text: str) -> list[str]:
    """All words of a finished text; whitespace at its end belongs to none."""
    return _WORD.findall(text)
