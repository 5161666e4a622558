"""Files of a folder and, behind it, of a zip archive; read one at a time, never unpacked.

Nothing is written to disk, so a path cannot escape; names that try are refused all the same, as are
links, encrypted files and files that grow out of proportion.
"""

from __future__ import annotations

import stat
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from tessy.errors import DataError

_MIB = 1 << 20
_MEND = "download the file again, or leave the problem out"
# What `zip` writes. Others fail in ways of their own, and one may ask for gigabytes to begin with.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class ArchiveLimits:
    """How large untrusted archives may become."""

    files: int = 20_000
    file_bytes: int = 1 << 30
    total_bytes: int = 8 << 30
    # Uncompressed to compressed. Deflate cannot exceed 1032, and tests of a million equal numbers
    # come near it: what is small is let through whatever its ratio.
    ratio: int = 500
    small_bytes: int = 64 * _MIB


class Archive:
    """The files of a problem: `folder`'s own, else those in the zip file `path`.

    Args:
        path: a zip archive, or None.
        folder: where files may also lie beside the archive, or None.

    Raises:
        DataError: the archive cannot be read, or one of its entries is refused.
    """

    def __init__(
        self,
        path: Path | None,
        folder: Path | None = None,
        limits: ArchiveLimits = ArchiveLimits(),
    ) -> None:
        self.path = path
        self.folder = folder
        self.where = str(path or folder)
        self._limits = limits
        self._lock = threading.Lock()  # a zip file has one position, and workers share archives
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        if path is not None:
            try:
                self._zip = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                raise DataError(f"{path} is no readable zip archive ({error})", _MEND) from None
            try:
                self._entries = self._checked(self._zip.infolist())
            except DataError:
                self._zip.close()
                raise

    def names(self) -> frozenset[str]:
        """Names of the files in the archive."""
        return frozenset(self._entries)

    def has(self, name: str) -> bool:
        return name in self._entries or self._beside(name) is not None

    def place(self, name: str) -> str:
        """Where a file of that name is looked for, for errors."""
        return str(self._beside(name) or f"{self.where}/{name}")

    def read(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            DataError: there is no such file, it is damaged, or it is larger than it says.
        """
        beside = self._beside(name)
        try:
            if beside is not None:
                if beside.stat().st_size > self._limits.file_bytes:
                    raise self._refused(name, f"has more than {self._limits.file_bytes} bytes")
                return beside.read_bytes()
            if name not in self._entries or self._zip is None:
                raise DataError(f"{self.where} has no file {name!r}", _MEND)
            return self._unpacked(self._zip, self._entries[name])
        except OSError as error:
            raise self._refused(name, f"cannot be read ({error})") from None

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _beside(self, name: str) -> Path | None:
        """The file in the folder, if it is one and not a way out of it."""
        if self.folder is None or not _inside(name):
            return None
        path = self.folder / name
        try:
            # Published folders may be links into a cache as a whole; a file in them may link to a
            # blob of that cache, but not to a device or a pipe.
            return path if path.is_file() else None
        except OSError:
            return None

    def _checked(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        files: dict[str, zipfile.ZipInfo] = {}
        total = 0
        if len(entries) > self._limits.files:
            raise DataError(f"{self.where} has {len(entries):,} entries", _MEND)
        for entry in entries:
            name = entry.filename
            mode = entry.external_attr >> 16
            if not _inside(name):
                raise self._refused(name, "leads out of the archive")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise self._refused(name, "is a link or a device")
            if entry.is_dir():
                continue
            if entry.flag_bits & 0x1:
                raise self._refused(name, "is encrypted")
            if entry.compress_type not in _METHODS:
                raise self._refused(name, f"is packed by method {entry.compress_type}, not deflate")
            if entry.file_size > self._limits.file_bytes:
                raise self._refused(name, f"has {entry.file_size:,} bytes")
            packed = max(entry.compress_size, 1)
            if (
                entry.file_size > self._limits.small_bytes
                and entry.file_size > packed * self._limits.ratio
            ):
                raise self._refused(name, f"is {packed:,} bytes that unpack to {entry.file_size:,}")
            if name in files:
                raise self._refused(name, "is there twice")
            total += entry.file_size
            files[name] = entry
        if total > self._limits.total_bytes:
            raise DataError(f"{self.where} unpacks to {total:,} bytes", _MEND)
        return files

    def _unpacked(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
        """Its bytes; never more than its header says, whatever the compressed data holds."""
        try:
            with self._lock, archive.open(entry) as file:
                data = file.read(entry.file_size + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise self._refused(entry.filename, f"is damaged ({error})") from None
        if len(data) != entry.file_size:
            said = f"has not the {entry.file_size:,} bytes that the archive says"
            raise self._refused(entry.filename, said)
        return data

    def _refused(self, name: str, why: str) -> DataError:
        return DataError(f"{self.where}: {name!r:.200} {why}", _MEND)


def _inside(name: str) -> bool:
    """Whether a name stays in its folder on every system."""
    if not name or "\0" in name or "\\" in name or ":" in name.split("/")[0]:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
