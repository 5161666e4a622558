"""The in-process engine against the plain model, and against itself in other batches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

from tessy.config import EngineConfig, SamplingConfig, ServeConfig
from tessy.engines import Engine, ModelSpec, Request, complete, open_engines
from tessy.engines.rows import Feed, RowModel
from tessy.errors import ConfigError, EngineError
from tessy.records import Writer

GREEDY = SamplingConfig(temperature=0)
WARM = SamplingConfig(temperature=1.5)
BOTH = pytest.mark.parametrize("family", ["student", "teacher"])


def prompts(n: int, seed: int = 0) -> list[tuple[int, ...]]:
    draw = random.Random(seed)
    return [tuple(draw.choices(range(20, 380), k=draw.randint(1, 50))) for _ in range(n)]


def request(
    prompt: tuple[int, ...],
    n: int,
    session: str,
    sampling: SamplingConfig = WARM,
    stop: frozenset[int] = frozenset(),
) -> Request:
    return Request(prompt, sampling, n, stop, session, seed=7)


@asynccontextmanager
async def open_engine(
    folder: Path, config: EngineConfig, context: int, sessions: int
) -> AsyncIterator[Engine]:
    models: dict[Writer, ModelSpec] = {"student": ModelSpec(folder, context)}
    async with open_engines(models, config, ServeConfig(), sessions, folder / "logs") as engines:
        yield engines["student"]


async def texts(folder: Path, rows: int, requests: list[Request]) -> list[tuple[int, ...]]:
    config = EngineConfig("transformers", "cpu", rows, 1)
    async with open_engine(folder, config, 256, rows) as engine:
        done = await asyncio.gather(*(complete(engine, r) for r in requests))
        return [c.ids for c in done]


@BOTH
def test_logits_equal_the_plain_model_whatever_the_rows_hold(
    tiny: dict[str, Path], family: str
) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny[family], dtype=torch.float32).eval()
    rows = RowModel(tiny[family], "text", "cpu", 6, 256)
    draw = random.Random(1)
    held: list[list[int]] = [[] for _ in range(6)]
    for _ in range(12):
        feeds = []
        for slot in draw.sample(range(6), draw.randint(1, 6)):
            new = draw.choices(range(300), k=draw.choice([1, 1, 1, 3, 12, 40]))
            feeds.append(Feed(slot, len(held[slot]), new))
            held[slot] += new
        got = rows.forward(feeds)
        for row, feed in enumerate(feeds):
            with torch.inference_mode():
                want = plain(torch.tensor([held[feed.slot]])).logits[0, -1]
            torch.testing.assert_close(got[row], want, atol=2e-4, rtol=1e-4)


def test_labels_equal_the_plain_classifier_token_by_token(tiny: dict[str, Path]) -> None:
    plain = AutoModelForTokenClassification.from_pretrained(
        tiny["predictor"], dtype=torch.float32
    ).eval()
    rows = RowModel(tiny["predictor"], "labels", "cpu", 3, 256)
    ids = [list(p) for p in prompts(3)]
    with torch.inference_mode():
        want = [plain(torch.tensor([i])).logits[0] for i in ids]
    rows.forward([Feed(s, 0, i[:-1]) for s, i in enumerate(ids) if len(i) > 1])
    last = rows.forward([Feed(s, len(i) - 1, i[-1:]) for s, i in enumerate(ids)])
    whole = rows.forward([Feed(s, 0, i) for s, i in enumerate(ids)])
    torch.testing.assert_close(last, torch.stack([w[-1] for w in want]), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(whole, torch.cat(want), atol=2e-4, rtol=1e-4)


@BOTH
def test_greedy_equals_generate(tiny: dict[str, Path], family: str) -> None:
    plain = AutoModelForCausalLM.from_pretrained(tiny[family], dtype=torch.float32).eval()
    plain.generation_config.eos_token_id = None
    asked = [request(p, 30, f"s{i}", GREEDY) for i, p in enumerate(prompts(5))]
    got = asyncio.run(texts(tiny[family], 4, asked))
    for r, ids in zip(asked, got, strict=True):
        prompt = torch.tensor([r.prompt_ids])
        want = plain.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=30,
            pad_token_id=0,
        )
        assert list(ids) == want[0, len(r.prompt_ids) :].tolist()


@BOTH
@pytest.mark.parametrize("sampling", [WARM, SamplingConfig(0.9, top_p=0.7, top_k=20)])
def test_text_is_independent_of_the_batch(
    tiny: dict[str, Path], family: str, sampling: SamplingConfig
) -> None:
    asked = [request(p, 25, f"s{i}", sampling) for i, p in enumerate(prompts(9))]
    one = asyncio.run(texts(tiny[family], 1, asked))
    assert one == asyncio.run(texts(tiny[family], 4, asked[::-1]))[::-1]
    assert one == asyncio.run(texts(tiny[family], 16, asked))
    assert len(set(one)) == len(one)


@BOTH
def test_text_is_independent_of_abort_and_resume(tiny: dict[str, Path], family: str) -> None:
    asked = [request(p, 40, f"s{i}") for i, p in enumerate(prompts(6))]
    whole = asyncio.run(texts(tiny[family], 8, asked))

    async def in_pieces(r: Request) -> tuple[int, ...]:
        draw = random.Random(r.session)
        ids: tuple[int, ...] = ()
        while len(ids) < r.max_tokens:
            piece = request(r.prompt_ids + ids, draw.randint(1, 40 - len(ids)), r.session)
            keep, some = draw.randint(1, 10), []
            async with aclosing(engine.stream(piece, min_chunk=draw.randint(1, 3))) as chunks:
                async for chunk in chunks:
                    some += chunk.ids
                    if chunk.finish or len(some) >= keep:
                        break
            ids += tuple(some[: max(1, len(some) - draw.randint(0, 3))])  # and some rolled back
        return ids

    async def run() -> list[tuple[int, ...]]:
        nonlocal engine
        config = EngineConfig("transformers", "cpu", 3, 1)
        async with open_engine(tiny[family], config, 256, 6) as engine:
            done = list(await asyncio.gather(*(in_pieces(r) for r in asked)))
            assert engine.counts["reused_tokens"] > engine.counts["prefill_tokens"]
            return done

    engine = None  # type: ignore[assignment]
    assert asyncio.run(run()) == whole


def test_sessions_beyond_the_slots_are_evicted_and_come_back_the_same(
    tiny: dict[str, Path],
) -> None:
    async def run() -> None:
        config = EngineConfig("transformers", "cpu", 2, 1)
        async with open_engine(tiny["student"], config, 256, 2) as engine:
            first = [await complete(engine, request(p, 8, str(p))) for p in prompts(5)]
            again = [await complete(engine, request(p, 8, str(p))) for p in prompts(5)]
            assert first == again
            assert engine._slots.evicted > 3  # type: ignore[attr-defined]

    asyncio.run(run())


def test_a_stop_id_ends_the_text_and_is_not_part_of_it(tiny: dict[str, Path]) -> None:
    [prompt] = prompts(1)
    [whole] = asyncio.run(texts(tiny["student"], 2, [request(prompt, 30, "s")]))
    stop = whole[10]
    short = request(prompt, 30, "s", stop=frozenset({stop}))
    [cut] = asyncio.run(texts(tiny["student"], 2, [short]))
    assert cut == whole[: whole.index(stop)]


def test_what_does_not_fit_is_refused_and_others_go_on(tiny: dict[str, Path]) -> None:
    async def run() -> None:
        config = EngineConfig("transformers", "cpu", 2, 1)
        async with open_engine(tiny["student"], config, 64, 2) as engine:
            good = asyncio.create_task(complete(engine, request((30, 31), 62, "good")))
            with pytest.raises(EngineError, match="63 new ones"):
                await complete(engine, request((30, 31), 63, "bad"))
            assert (await good).finish == "length"

    asyncio.run(run())


def test_a_kind_that_is_unknown_is_refused(tiny: dict[str, Path]) -> None:
    async def open_kind(kind: str) -> None:
        async with open_engine(tiny["student"], EngineConfig(kind), 64, 2):  # type: ignore[arg-type]
            pass

    with pytest.raises(ConfigError, match="did you mean 'transformers'"):
        asyncio.run(open_kind("transfomers"))
