"""One hierarchy of errors: each class is also the stdlib type it stands for.

Every message names the value, the place and the mend. `run.py` prints a `TessyError` as one
line and exits with status 1; with `debug=true` it shows the traceback as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TessyError(Exception):
    """Base of everything that tessy raises on purpose.

    Args:
        what: what is wrong, with the value and the place ("student 'qwen3-9b' in conf/student").
        mend: what the reader can do about it; an imperative clause without a full stop.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what, mend)  # both in args, so that the error pickles across processes
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}; {self.mend}" if self.mend else self.what


class ConfigError(TessyError, ValueError):
    """A configuration value is unknown, of the wrong type, or cannot be combined with another."""


class MissingError(TessyError, RuntimeError):
    """This machine lacks what the configuration needs: a GPU, a model, a data set, a package."""


class StorageError(TessyError, OSError):
    """The disk refuses: read-only, full, or another process holds the artifact."""

    def __str__(self) -> str:  # OSError formats two arguments as "[Errno what] mend"
        return TessyError.__str__(self)


class ArtifactError(TessyError, ValueError):
    """A stored artifact is corrupt or is not what its manifest says."""


class CheckpointError(TessyError, ValueError):
    """A model folder lacks a file or does not fit its dialect."""


class DataError(TessyError, ValueError):
    """A record, question or benchmark file is malformed."""


class EngineError(TessyError, RuntimeError):
    """An engine cannot generate as asked."""


class EngineDown(TessyError, ConnectionError):
    """No server of a role answers any more: the run stops, and the same command goes on later."""

    def __str__(self) -> str:  # ConnectionError is an OSError: see StorageError
        return TessyError.__str__(self)


class TrainingError(TessyError, ArithmeticError):
    """Training diverged (a loss or gradient is no finite number), or a process of it died."""


class SandboxError(TessyError, RuntimeError):
    """Programs cannot be isolated on this machine, or the judge itself failed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A mend for an unknown name: the nearest known one first, then all of them."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    listing = "choose from " + ", ".join(options) if options else "there are none to choose from"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
