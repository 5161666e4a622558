"""Fixtures that several packages' tests share."""

from tests.tiny import tiny

__all__ = ["tiny"]
