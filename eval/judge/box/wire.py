"""Messages between the judge and process 1 of a box, through two pipes.

Both ends are ours and run the same interpreter: a program never holds either pipe.
"""

from __future__ import annotations

import marshal
import os
import select
import struct
import time

TYPE_CHECKING = False  # importing `typing` would double the time to start a box
if TYPE_CHECKING:
    from typing import Any


def send(descriptor: int, message: Any) -> None:
    body = marshal.dumps(message)
    data = memoryview(struct.pack("<Q", len(body)) + body)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int, seconds: float | None = None) -> Any:
    """One message; None at the end of the stream.

    Raises:
        TimeoutError: nothing whole came within `seconds`.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    header = _read_exactly(descriptor, 8, deadline)
    if len(header) < 8:
        return None
    size = struct.unpack("<Q", header)[0]
    body = _read_exactly(descriptor, size, deadline)
    return marshal.loads(body) if len(body) == size else None


def _read_exactly(descriptor: int, size: int, deadline: float | None) -> bytes:
    """`size` bytes, or fewer where the stream ends."""
    parts = []
    while size:
        if deadline is not None:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
                raise TimeoutError
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
