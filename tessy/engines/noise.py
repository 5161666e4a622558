"""Counter-based Gumbel noise: a token's noise depends on its place, not on the batch.

The token drawn at a position is argmax(logits / T + noise) over the vocabulary (Gumbel-max, Yellott
1977), with noise a hash of (seed, session, position, token id). So a text does not depend on what
else is in the batch, on how it is cut into requests, or on a restart.
"""

from __future__ import annotations

import hashlib

import torch

_LOW = 0xFFFFFFFF


def stream_key(seed: int, session: str) -> int:
    """The signed 64-bit key of a session's noise."""
    digest = hashlib.blake2b(f"{seed}\0{session}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def token_keys(vocabulary: int, device: torch.device) -> torch.Tensor:
    """A 32-bit key for each token id, shape (vocabulary,), int64."""
    return _mix64(torch.arange(1, vocabulary + 1, dtype=torch.int64)).to(device) & _LOW


def gumbel(keys: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise, float32, shape (rows, vocabulary).

    Args:
        keys: `stream_key` of each row, shape (rows,), int64.
        positions: index of the token to draw in each row's sequence, shape (rows,), int64.
        tokens: `token_keys`.
    """
    row = _mix64(keys ^ _mix64(positions))[:, None]
    x = tokens ^ (row & _LOW)  # from here Wellons' lowbias32, the other half of the key between
    x ^= x >> 16
    x *= 0x7FEB352D
    x ^= row >> 32
    x &= _LOW
    x ^= x >> 15
    x *= 0x846CA68B
    x &= _LOW
    x ^= x >> 16
    # 23 bits and a half: exact in float32, and never 0 or 1
    u = (x >> 9).float().add_(0.5).mul_(2.0**-23)
    return u.log_().neg_().log_().neg_()


def _mix64(x: torch.Tensor) -> torch.Tensor:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014) on int64."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical right shift: torch's own keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(x: int) -> int:
    return x - (1 << 64) if x >> 63 else x
