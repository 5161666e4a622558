"""What a box is asked to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Job:
    """One run in a box."""

    arguments: Sequence[str] = ()
    stdin: bytes | int = b""  # content, or a descriptor
    stdout: int | None = None  # a descriptor; None: collected and returned
    program: bytes | None = None  # for an interpreter: source or code
    compiles: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)  # put into /tmp, where it starts
    collect: str = ""  # a file in /tmp to bring back
    one_stream: bool = False  # stderr goes where stdout goes
    no_sigpipe: bool = False  # to write to who has left is an error, not a signal
