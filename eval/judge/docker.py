"""Boxes in Docker's containers, for machines whose rules want every program in one.

As with Podman a container's root is empty: an image without a file is made here. Docker hands on no
descriptors, so the launcher fetches them at a socket that is mounted into its container.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import socket
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from eval.judge.podman import options
from eval.judge.setting import Setting
from tessy.errors import SandboxError

DOOR = "/judge/door"  # in a container
_IMAGE = "tessy-empty"


class Door:
    """Where the launcher in a container fetches descriptors; closed once it has them."""

    def __init__(self) -> None:
        # Only its owner may enter the folder; a container has the socket in another one.
        self._folder = tempfile.TemporaryDirectory(prefix="tessy-door-")
        self.path = str(Path(self._folder.name, "door"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        Path(self.path).chmod(0o666)
        self._listener.listen(1)
        self._kept: list[int] = []

    def keep(self, *descriptors: int) -> None:
        """Remember what is to be handed over; the caller may close it."""
        self._kept = [os.dup(descriptor) for descriptor in descriptors]

    def hand_over(self, process: int, seconds: float) -> None:
        """Give what is kept to who comes first.

        Raises:
            EOFError: the process ended, or nobody came in time.
        """
        ended = os.pidfd_open(process)
        try:
            listener = self._listener.fileno()
            if listener not in select.select([listener, ended], [], [], seconds)[0]:
                raise EOFError("the container did not start")
            with self._listener.accept()[0] as connection:
                socket.send_fds(connection, [b"\0"], self._kept)
        finally:
            os.close(ended)
            self.close()

    def close(self) -> None:
        self._listener.close()
        self._folder.cleanup()
        while self._kept:
            os.close(self._kept.pop())


def container(setting: Setting, launcher: Path, uid: int, door: Door) -> list[str]:
    """The command that runs the launcher as process 1 of a container.

    Raises:
        SandboxError: Docker's daemon refuses.
    """
    _make_image()
    mounted = ["--volume", f"{door.path}:{DOOR}"]
    return [*_docker(), "run", *options(setting, launcher, uid), *mounted, _IMAGE, "/judge/box"]


def _docker() -> list[str]:
    found = shutil.which("docker")
    assert found is not None, "looked for before it is chosen"
    host = os.environ.get("DOCKER_HOST")
    return [found, *(["--host", host] if host else [])]


@cache
def _make_image() -> None:
    if not subprocess.run([*_docker(), "image", "inspect", _IMAGE], capture_output=True).returncode:
        return
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    command = [*_docker(), "import", "-", _IMAGE]
    done = subprocess.run(command, input=empty.getvalue(), capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:300]
        raise SandboxError(
            f"Docker makes no container here ({said})",
            "start its daemon and let this user talk to it, or set TESSY_SANDBOX to something else",
        )
