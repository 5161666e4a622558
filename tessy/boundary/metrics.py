"""How well a boundary predictor agrees with its annotator: by tokens, and by boundaries.

Most tokens are easy; what decides about a synthesis is where a span is cut. A boundary is a word
(not the first) whose label differs from that of the word before it, together with that label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tessy.boundary.examples import IGNORED, Example

Boundary = tuple[int, int]  # index of the word, label from there on


@dataclass(frozen=True)
class Judged:
    """Labels of one segment, annotated and predicted, where a prediction exists."""

    tokens: list[int]
    predicted_tokens: list[int]
    words: list[int]
    predicted_words: list[int]


def judged(example: Example, odds: Sequence[float], shift: int) -> Judged:
    """Turn a predictor's outputs into labels, as they are read (`tessy.boundary.spans`).

    A token is style if its log-odds are positive, a word if their sum over its tokens is. With
    shifted labels nothing is said about the first token: it counts for nothing, and neither does
    its word if it has no other token.

    Args:
        odds: log-odds of style at each output, shape (tokens,).
        shift: see `examples.example`.
    """
    said = [0.0] * shift + list(odds)[: len(odds) - shift]
    words, start = [], 0
    for length in example.lengths:
        words.append(int(sum(said[start : start + length]) > 0))
        start += length
    outputs = zip(example.labels, odds, strict=True)
    tokens = [(label, int(o > 0)) for label, o in outputs if label != IGNORED]
    unread = int(shift == 1 and example.lengths[0] == 1)
    return Judged(
        tokens=[label for label, _ in tokens],
        predicted_tokens=[label for _, label in tokens],
        words=example.word_labels[unread:],
        predicted_words=words[unread:],
    )


def boundaries(labels: Sequence[int]) -> set[Boundary]:
    """The words at which the label changes, and to what."""
    return {(n, labels[n]) for n in range(1, len(labels)) if labels[n] != labels[n - 1]}


def measure(segments: Iterable[Judged]) -> dict[str, float]:
    """Agreement over all segments.

    Returns:
        token_accuracy: share of tokens with the annotated label.
        token_f1: of the label style, over all tokens.
        boundary_precision, boundary_recall, boundary_f1: a predicted boundary is right if the
            annotation has the same one, at the same word and to the same label.
        boundary_distance: words between a boundary and the nearest one to the same label on the
            other side, in the same segment; the mean over all annotated and all predicted
            boundaries. Where the other side has none, the distance is the segment's words.
        segments, tokens, words, annotated_boundaries, predicted_boundaries: how many there are;
            unmatched_boundaries: those whose other side has none.

    A share of nothing is 1, a mean of nothing 0: a precision without predicted boundaries, a
    distance where neither side has one.
    """
    right = hits = annotated = predicted = style_hits = style = predicted_style = unmatched = 0
    n_segments = n_tokens = n_words = 0
    distances: list[int] = []
    for s in segments:
        n_segments += 1
        n_tokens += len(s.tokens)
        n_words += len(s.words)
        pairs = list(zip(s.tokens, s.predicted_tokens, strict=True))
        right += sum(a == b for a, b in pairs)
        style_hits += sum(a == b == 1 for a, b in pairs)
        style += sum(s.tokens)
        predicted_style += sum(s.predicted_tokens)
        there, found = boundaries(s.words), boundaries(s.predicted_words)
        annotated += len(there)
        predicted += len(found)
        hits += len(there & found)
        for own, other in ((there, found), (found, there)):
            for word, label in own:
                away = [abs(word - w) for w, other_label in other if other_label == label]
                unmatched += not away
                distances.append(min(away, default=len(s.words)))
    return {
        "token_accuracy": _share(right, n_tokens),
        "token_f1": _share(2 * style_hits, style + predicted_style),
        "boundary_precision": _share(hits, predicted),
        "boundary_recall": _share(hits, annotated),
        "boundary_f1": _share(2 * hits, annotated + predicted),
        "boundary_distance": sum(distances) / max(len(distances), 1),
        "segments": n_segments,
        "tokens": n_tokens,
        "words": n_words,
        "annotated_boundaries": annotated,
        "predicted_boundaries": predicted,
        "unmatched_boundaries": unmatched,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
