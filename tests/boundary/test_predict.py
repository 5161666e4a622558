"""A word's label depends on the text up to its end, not on drafts, batches or chunks."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, AutoTokenizer

from tessy.boundary.predict import Predictor, open_predictor
from tessy.boundary.spans import Context, SpanReader
from tessy.boundary.words import closed_words, words
from tessy.config import PredictorConfig

CONFIG = PredictorConfig("tiny", "checkpoint", device="cpu")
RELEASED = PredictorConfig("tiny", "checkpoint", device="cpu", label_shift=1, cut="after_word")
WINDOW = CONFIG.window
Cuts = list[tuple[str, int]]

TEXT = (
    "Okay, let me see. First, I need to keep the even numbers: `x % 2 == 0`.\nNext, I sort them. "
    "But wait, that is not right; print the sum of all\n\n    a = [int(x) for x in input()]\nélan"
)


@given(st.text(alphabet="ab \n\té."), st.data())
def test_words_do_not_depend_on_how_the_text_grows(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    found: list[str] = []
    for end in cuts:
        found += closed_words(text[:end], sum(map(len, found)), ended=False)
    found += closed_words(text, sum(map(len, found)), ended=True)
    assert found == words(text)
    assert "".join(found) == text.rstrip()


def plain_odds(folder: Path, context: str, word: str) -> float:
    """The rule of a word's label, written as plainly as can be."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    before = [i for w in re.findall(r"\s*\S+", context) for i in tokenizer.encode(w)]
    ids = tokenizer.encode(word)
    with torch.inference_mode():
        logits = model(torch.tensor([before + ids])).logits[0, -len(ids) :]
    return float((logits[:, 1] - logits[:, 0]).sum())


def test_the_first_wrong_word_is_the_plain_models(tiny: dict[str, Path]) -> None:
    spans = re.findall(r"\s*\S+", TEXT)
    odds = [plain_odds(tiny["predictor"], "".join(spans[:n]), word) for n, word in enumerate(spans)]
    assert min(odds) < -0.01 and max(odds) > 0.01, "the random model must say both"
    for wrong, sign in (("style", 1), ("capability", -1)):
        want = next(n for n, o in enumerate(odds) if sign * o > 0)

        async def ask(label: str = wrong) -> int:
            async with open_predictor(tiny["predictor"], CONFIG, 2) as predictor:
                reader = SpanReader(predictor, "s", [], label)  # type: ignore[arg-type]
                assert await reader.must_end(TEXT, ended=True)
                return reader.judged

        assert asyncio.run(ask()) == len("".join(spans[:want]))


async def cuts(predictor: Predictor, name: str, seed: int) -> Cuts:
    """Cut TEXT into spans, seen in pieces of random length; every cut forces the next word."""
    draw = random.Random(seed)
    context, done, found, style = Context(predictor), 0, [], True
    while done < len(TEXT):
        reader = SpanReader(
            predictor, name, context.window(), "style" if style else "capability", free=1
        )
        end, over = done, False
        while not over and end < len(TEXT):
            end = min(len(TEXT), end + draw.randint(1, 30))
            over = await reader.must_end(TEXT[done:end], ended=end == len(TEXT))
        cut = reader.judged if over else len(TEXT) - done
        found.append(("style" if style else "capability", done + cut))
        context.extend(TEXT[done : done + cut])
        done, style = done + cut, not style
    return found


def test_cuts_do_not_depend_on_chunks_or_on_who_else_asks(tiny: dict[str, Path]) -> None:
    async def run(slots: int, config: PredictorConfig, threaded: bool) -> list[Cuts]:
        async with open_predictor(tiny["predictor"], config, slots, threaded) as predictor:
            return await asyncio.gather(*(cuts(predictor, f"s{i}", i) for i in range(8)))

    found = []
    for config in (CONFIG, RELEASED):
        many = asyncio.run(run(8, config, False))
        assert len(many[0]) > 5
        assert all(c == many[0] for c in many)
        assert asyncio.run(run(3, config, False)) == many  # fewer slots than samples: in turns
        assert asyncio.run(run(8, config, True)) == many  # off the event loop
        found.append(many[0])
    assert found[0] != found[1]


def test_released_predictors_label_the_next_token_and_keep_the_word_they_turn_in(
    tiny: dict[str, Path],
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny["predictor"])
    model = AutoModelForTokenClassification.from_pretrained(tiny["predictor"]).eval()
    found = re.findall(r"\s*\S+", TEXT)
    ids = [tokenizer.encode(word) for word in found]
    with torch.inference_mode():
        logits = model(torch.tensor([[i for word in ids for i in word]])).logits[0].double()
    style = iter([0.0, *(logits[:-1, 1] - logits[:-1, 0]).tolist()])
    tokens = [[next(style) for _ in word] for word in ids]
    inside = 0
    for wrong, sign in (("style", 1), ("capability", -1)):
        first = {n: [sign * o > 0 for o in word] for n, word in enumerate(tokens)}
        end = next(n for n in first if any(first[n]))
        inside += not first[end][0]
        want = len("".join(found[: end + (not first[end][0])]))

        async def ask(label: str = wrong) -> int:
            async with open_predictor(tiny["predictor"], RELEASED, 2) as predictor:
                reader = SpanReader(predictor, "s", [], label)  # type: ignore[arg-type]
                assert await reader.must_end(TEXT, ended=True)
                return reader.judged

        assert asyncio.run(ask()) == want
    assert inside, "one of the two must turn within a word"


def test_the_window_is_bounded_and_moves_in_strides(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        async with open_predictor(tiny["predictor"], CONFIG, 1) as predictor:
            context, starts, ids = Context(predictor), set(), []
            for word in words(TEXT * 8):
                context.extend(word)
                ids += predictor.encode(word)
                window = context.window()
                assert len(window) <= WINDOW and window == ids[len(ids) - len(window) :]
                assert len(window) == len(ids) or len(window) > WINDOW - 64
                starts.add(len(ids) - len(window))
            assert len(starts) == -(-(len(ids) - WINDOW) // 64) + 1

    asyncio.run(run())
