"""The artifact store: one folder a node, complete when its manifest is renamed into place.

    outputs/artifacts/<stage>/<readable-name>-<fingerprint>/manifest.json

Until then the next run resumes inside the folder. Nothing is ever deleted here: what is corrupt is
named, with the folder to delete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tessy.errors import ArtifactError
from tessy.pipeline.disk import (
    SESSIONS,
    contents,
    session,
    storage_errors,
    worked_seconds,
    write_json,
)
from tessy.pipeline.lock import locked, require_held
from tessy.pipeline.node import STAGE_VERSIONS, Node

MANIFEST = "manifest.json"
HASHED = 4 << 20  # bytes; of files up to this size the contents are checked, of others the size
PACKAGES = ("tessy", "torch", "transformers", "trl", "tokenizers", "datasets", "accelerate")


@dataclass(frozen=True)
class Manifest:
    """What an artifact is, how it was made and what it holds."""

    stage: str
    name: str
    fingerprint: str
    code_version: int
    config: Mapping[str, Any]
    parents: list[str]  # "stage/folder" of each
    packages: Mapping[str, str]
    seeds: Mapping[str, int]
    counts: Mapping[str, float]  # what the stage counted
    tokens: Mapping[str, float]  # those of them that count tokens
    seconds: float  # wall time, over all runs that worked on it
    created: str  # UTC
    files: list[dict[str, Any]]  # path, size in bytes, sha256 of small ones


@dataclass(frozen=True)
class Store:
    """The artifacts under an outputs folder."""

    outputs: Path

    def folder(self, node: Node) -> Path:
        """Where a node's artifact lies or will lie; an existing one is found by its fingerprint."""
        stage = self.outputs / "artifacts" / node.stage
        existing = sorted(stage.glob(f"*-{node.fingerprint}"))
        slug = re.sub(r"[^\w.-]+", "_", node.name)
        return existing[0] if existing else stage / f"{slug}-{node.fingerprint}"

    def manifest(self, node: Node) -> Manifest | None:
        """The manifest of a complete artifact, checked against its files; None if it is to do.

        Raises:
            ArtifactError: the manifest is corrupt, or does not fit the node or the files.
        """
        folder = self.folder(node)
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise _corrupt(f"{path} is not a manifest ({error})", folder) from None
        said = f"{manifest.stage} {manifest.fingerprint}"
        if said != f"{node.stage} {node.fingerprint}":
            raise _corrupt(
                f"{path} is of {said}, its folder of {node.stage} {node.fingerprint}", folder
            )
        for entry in manifest.files:
            file = folder / entry["path"]
            if not file.is_file():
                raise _corrupt(f"{file} is missing", folder)
            if _describe(file, folder) != entry:
                raise _corrupt(f"{file} has changed since it was made", folder)
        return manifest

    def parents(self, node: Node) -> list[str]:
        """Where a node's parents lie, as "stage/folder"."""
        return [f"{p.stage}/{self.folder(p).name}" for p in node.parents]

    @contextmanager
    def working(self, node: Node) -> Iterator[Path]:
        """Hold a node's folder alone while its stage works in it, and keep the time.

        Waits while another process holds it, which may then have completed it.

        Raises:
            StorageError: the disk refuses.
        """
        folder = self.folder(node)
        with storage_errors(folder), locked(folder):
            made = (folder / MANIFEST).exists()
            with nullcontext() if made else session(folder):
                yield folder

    def complete(self, node: Node, counts: Mapping[str, float]) -> Manifest:
        """Write the manifest of a finished node: from then on the artifact is there, whole.

        Raises:
            StorageError: another process has taken the folder over.
        """
        folder = self.folder(node)
        require_held(folder)
        manifest = Manifest(
            stage=node.stage,
            name=node.name,
            fingerprint=node.fingerprint,
            code_version=STAGE_VERSIONS[node.stage],
            config=node.config,
            parents=self.parents(node),
            packages=package_versions(),
            seeds={k: v for k, v in node.config.items() if k in ("seed", "world")},
            counts=dict(counts),
            tokens={k: v for k, v in counts.items() if "tokens" in k},
            seconds=round(worked_seconds(folder), 3),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            files=[_describe(path, folder) for path in contents(folder)],
        )
        write_json(folder / MANIFEST, dataclasses.asdict(manifest))
        (folder / SESSIONS).unlink()
        return manifest


def model_folder(artifact: Path, epoch: int | None) -> Path:
    """Where an SFT's artifact has the model after an epoch; None is the trained one."""
    return artifact / "model" if epoch is None else artifact / "epochs" / str(epoch)


def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # tessy itself, run from a checkout that is not installed
            found[name] = "not installed"
    return found


def _describe(path: Path, folder: Path) -> dict[str, Any]:
    size = path.stat().st_size
    entry: dict[str, Any] = {"path": path.relative_to(folder).as_posix(), "size": size}
    if size <= HASHED:
        entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return entry


def _corrupt(what: str, folder: Path) -> ArtifactError:
    return ArtifactError(what, f"delete the folder {folder} to make it anew")
