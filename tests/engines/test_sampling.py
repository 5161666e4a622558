"""Tokens are drawn from the distribution that was asked for."""

from __future__ import annotations

import torch

from tessy.config import SamplingConfig
from tessy.engines.noise import gumbel, stream_key, token_keys
from tessy.engines.sampling import Draw, choose


def drawn(logits: torch.Tensor, sampling: SamplingConfig, n: int) -> torch.Tensor:
    """Frequencies of n draws at n positions."""
    tokens = token_keys(len(logits), torch.device("cpu"))
    draws = [Draw(sampling, stream_key(3, "s"), i) for i in range(n)]
    ids, _ = choose(logits.expand(n, -1), draws, tokens)
    return torch.bincount(torch.tensor(ids), minlength=len(logits)) / n


def test_frequencies_are_those_of_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 1.5])
    want = (logits / 0.6).softmax(0)
    torch.testing.assert_close(drawn(logits, SamplingConfig(0.6), 20000), want, atol=0.012, rtol=0)


def test_top_k_and_top_p_keep_what_they_should() -> None:
    logits = torch.tensor([0.5, 0.3, 0.1, 0.06, 0.04]).log()
    top_k = drawn(logits, SamplingConfig(1.0, top_k=2), 20000)
    torch.testing.assert_close(top_k, torch.tensor([0.625, 0.375, 0, 0, 0]), atol=0.012, rtol=0)
    top_p = drawn(logits, SamplingConfig(1.0, top_p=0.85), 20000)
    torch.testing.assert_close(top_p, torch.tensor([5 / 9, 3 / 9, 1 / 9, 0, 0]), atol=0.012, rtol=0)


def test_greedy_ignores_noise_even_beside_warm_rows() -> None:
    logits = torch.tensor([[0.0, 0.2, 0.1]]).expand(50, -1)
    draws = [Draw(SamplingConfig(i % 2), stream_key(i, ""), i) for i in range(50)]
    ids, _ = choose(logits, draws, token_keys(3, torch.device("cpu")))
    assert set(ids[::2]) == {1}
    assert len(set(ids[1::2])) > 1


def test_close_calls_are_reported() -> None:
    logits = torch.tensor([[0.0, 1e-4], [0.0, 1e-2]])
    draws = [Draw(SamplingConfig(0), 0, 0)] * 2
    assert choose(logits, draws, token_keys(2, torch.device("cpu")))[1] == [True, False]


def test_noise_is_standard_gumbel_and_differs_by_seed_session_and_place() -> None:
    tokens = token_keys(5000, torch.device("cpu"))
    keys = torch.tensor([stream_key(s, n) for s in (0, 1) for n in ("a", "b")])
    noise = gumbel(keys.repeat(8), torch.arange(32) // 4, tokens)
    assert abs(noise.mean().item() - 0.57722) < 0.01
    assert abs(noise.var().item() - 1.64493) < 0.03
    off = torch.corrcoef(noise) - torch.eye(32)
    assert off.abs().max() < 0.08  # 5.6 standard deviations
    assert torch.isfinite(noise).all()
