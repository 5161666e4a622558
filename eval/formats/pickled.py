"""Pickles that hold one text, read without ever running a pickle."""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib

from tessy.errors import DataError

_MEND = "download the file again, or leave the problem out"
_TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE")
_HARMLESS = ("PROTO", "FRAME", "STOP", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT")


def packed_text(data: str, where: str, limit: int = 1 << 30) -> str:
    """The text in base64 of zlib of a pickle, as LiveCodeBench packs its private tests.

    The pickle is read as a list of instructions, none of which is carried out: it may push one
    text and remember it. Whatever else it holds, be it a class, a function or a list, is refused.

    Args:
        where: file, line and field, for errors.
        limit: bytes that it may unpack to.

    Raises:
        DataError: damaged, too large, or the pickle holds something else than one text.
    """
    try:
        unpacked = _inflated(base64.b64decode(data, validate=True), limit)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise DataError(f"{where} is neither JSON nor packed tests ({error})", _MEND) from None
    if unpacked is None:
        raise DataError(f"{where} unpacks to more than {limit:,} bytes", _MEND)
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(unpacked):
            if opcode.name in _TEXTS and isinstance(argument, str):
                texts.append(argument)
            elif opcode.name not in _HARMLESS:
                said = f"{opcode.name} {argument or ''}".strip()
                raise DataError(f"{where} is a pickle with {said!r:.100}, not of a text", _MEND)
    except (ValueError, UnicodeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} is a damaged pickle ({error!s:.200})", _MEND) from None
    if len(texts) != 1:
        raise DataError(f"{where} is a pickle of {len(texts)} texts, not of one", _MEND)
    return texts[0]


def _inflated(data: bytes, limit: int) -> bytes | None:
    """None where it would exceed the limit."""
    inflater = zlib.decompressobj()
    unpacked = inflater.decompress(data, limit)
    if inflater.unconsumed_tail:
        return None
    if not inflater.eof:
        raise zlib.error("it ends too early")
    return unpacked
