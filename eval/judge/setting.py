"""What a box of the native launcher holds."""

from __future__ import annotations

from dataclasses import dataclass

from eval.judge.spec import Limits


@dataclass(frozen=True)
class Setting:
    """What a box holds. Boxes of the same setting are alike."""

    limits: Limits
    binds: tuple[tuple[str, str], ...] = ()  # (what of the host, where), read-only
    links: tuple[tuple[str, str], ...] = ()
    interpreter: tuple[str, ...] = ()  # argv; empty: programs are started, not forked
    executes: bool = True  # whether the filter allows execve
    base_mb: int = 4  # MiB of the box's memory that process 1 uses
