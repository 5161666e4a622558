"""A box of the native launcher, as seen from outside: started, asked to run jobs, closed."""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cache

from eval.judge.command import command_of
from eval.judge.docker import Door
from eval.judge.go_judge import GoJudgeBox
from eval.judge.isolation import Isolation, sweep
from eval.judge.job import Job
from eval.judge.seccomp import build_filter
from eval.judge.setting import Setting
from eval.judge.spec import Limits
from eval.judge.verdicts import Reason, Reply
from tessy.errors import SandboxError

# Flags of a request, as in launcher/box.h.
_COMPILE, _GIVEN_STDOUT, _GIVEN_PROGRAM, _COLLECT, _ONE_STREAM, _NO_SIGPIPE = 1, 2, 4, 8, 16, 32
_REQUEST = struct.Struct("=IIIIqqQQQQ")
_RESULT = struct.Struct("=iiqqQII")
_OUTPUT, _COLLECTED, _RESULT_KIND = 1, 2, 3
_REASONS: tuple[Reason, ...] = ("", "cpu", "wall", "output", "setup")
_MESSAGE_BYTES = 1 << 17
_ARGUMENTS, _FILES, _WORD_BYTES = 62, 100, (1 << 15) - 1  # as much as launcher/serve.c takes
WALL_STRETCH = 10  # time that others had the processor is not counted, up to tenfold
_GRACE_SECONDS = 30.0  # beyond a test's own limits, before the judge gives its box up
_ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "HOME": "/tmp", "PATH": "/usr/bin:/"}
if "LD_LIBRARY_PATH" in os.environ:  # some clusters' interpreters do not start without it
    _ENVIRONMENT["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]


class Box:
    """Use `open_box`. Not for several threads at once."""

    def __init__(self, isolation: Isolation, setting: Setting, door: Door | None = None) -> None:
        self._isolation = isolation
        self._door = door
        self._program: tuple[bytes, int] | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        filter_file = _filter_file(setting.executes)
        if door:
            door.keep(theirs.fileno(), filter_file)
        try:
            self._launcher = subprocess.Popen(
                command_of(isolation, setting, theirs.fileno(), filter_file, door),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(), filter_file),
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the judge, which closes the box
            )
        finally:
            theirs.close()

    def wait_until_ready(self) -> None:
        if self._door:
            self._door.hand_over(self._launcher.pid, _GRACE_SECONDS)
        self._socket.settimeout(_GRACE_SECONDS)
        if len(self._socket.recv(_MESSAGE_BYTES)) != 4:
            raise EOFError("the box ended before it was ready")

    def run(self, job: Job, limits: Limits) -> Reply:
        """Run a job under limits, which may be tighter than the box's.

        Raises:
            OSError, EOFError: the box failed; it cannot be used any more.
        """
        self.send(job, limits)
        return self.receive(limits)

    def send(self, job: Job, limits: Limits) -> None:
        """Start a job: `receive` waits for its end. Descriptors of the job may be closed then."""
        made: list[int] = []

        def file_of(content: bytes | int) -> int:
            if isinstance(content, int):
                return content
            made.append(_memory_file(content))
            return made[-1]

        try:
            descriptors = [file_of(job.stdin)]
            if job.stdout is not None:
                descriptors.append(job.stdout)
            if job.program is not None:
                descriptors.append(self._program_file(job.program))
            descriptors += [file_of(content) for content in job.files.values()]
            self._socket.sendmsg(
                [self._header(job, limits), _words(job)],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))],
            )
        finally:
            for descriptor in made:
                os.close(descriptor)

    def receive(self, limits: Limits) -> Reply:
        self._socket.settimeout(WALL_STRETCH * limits.wall_seconds + _GRACE_SECONDS)
        parts: dict[int, list[bytes]] = {_OUTPUT: [], _COLLECTED: []}
        while True:
            message = self._socket.recv(_MESSAGE_BYTES)
            if len(message) < 4:
                raise EOFError("the box ended before it answered")
            kind = int.from_bytes(message[:4], "little")
            if kind == _RESULT_KIND:
                break
            parts[kind].append(message[4:])
        reason, status, cpu, wall, memory, oom, tail = _RESULT.unpack_from(message, 4)
        start = 4 + _RESULT.size
        stderr = message[start : start + tail]
        if _REASONS[reason] == "setup" and not oom:
            raise EOFError(f"a test could not be confined ({stderr.decode()})")
        parts[_OUTPUT].append(message[start + tail :])
        return Reply(
            reason=_REASONS[reason],
            status=status,
            cpu=cpu / 1e9,
            wall=wall / 1e9,
            memory_kb=memory >> 10,
            oom=oom,
            stdout=b"".join(parts[_OUTPUT]),
            stderr=stderr,
            collected=b"".join(parts[_COLLECTED]),
        )

    def close(self) -> str:
        """Wait until the box is gone; what its launcher complained of."""
        if self._socket.fileno() < 0:
            return ""
        with suppress(OSError):  # a process that we forked meanwhile may hold the socket open
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._program:
            os.close(self._program[1])
        if not _ends_within(self._launcher.pid, _GRACE_SECONDS):
            self._launcher.kill()  # and with it process 1 of the box, and with that the rest
            sweep(self._isolation)
        self._launcher.wait()
        assert self._launcher.stderr
        said = self._launcher.stderr.read().decode(errors="replace").strip()
        self._launcher.stderr.close()
        return said

    def _header(self, job: Job, limits: Limits) -> bytes:
        flags = _COMPILE if job.compiles else 0
        flags |= _ONE_STREAM if job.one_stream else 0
        flags |= _NO_SIGPIPE if job.no_sigpipe else 0
        flags |= _GIVEN_STDOUT if job.stdout is not None else 0
        flags |= _GIVEN_PROGRAM if job.program is not None else 0
        flags |= _COLLECT if job.collect else 0
        bound = limits.address_space_mb
        if not self._isolation.cgroup:  # nobody measures memory: bound the address space instead
            bound = min(bound or limits.memory_mb, limits.memory_mb) + 8
        return _REQUEST.pack(
            flags,
            len(job.arguments),
            len(job.files),
            limits.processes,
            int(limits.cpu_seconds * 1e9),
            int(limits.wall_seconds * 1e9),
            limits.output_kb << 10,
            limits.files_mb << 20,
            (limits.stack_mb or limits.memory_mb) << 20,
            bound << 20,
        )

    def _program_file(self, content: bytes) -> int:
        """The same file for all tests of a submission; each reads it from its start."""
        if self._program is None or self._program[0] is not content:
            if self._program:
                os.close(self._program[1])
            self._program = content, _memory_file(content)
        return self._program[1]


@contextmanager
def open_box(isolation: Isolation, setting: Setting) -> Iterator[Box | GoJudgeBox]:
    """A box, closed and gone when the block is left.

    Raises:
        SandboxError: the box could not be made, or failed within the block.
    """
    if isolation.kind == "go-judge":
        with closing(GoJudgeBox(isolation.address, setting)) as remote:
            yield remote
        return
    with closing(Door()) if isolation.kind == "docker" else nullcontext() as door:
        yield from _open_native(isolation, setting, door)


def _open_native(isolation: Isolation, setting: Setting, door: Door | None) -> Iterator[Box]:
    try:
        box = Box(isolation, setting, door)
    except OSError as error:  # no process or descriptor to be had
        raise SandboxError(f"the sandbox failed: {error}", "try again") from None
    try:
        box.wait_until_ready()
        yield box
    except (OSError, EOFError) as error:
        reason = box.close().splitlines()
        raise SandboxError(
            f"the sandbox failed: {reason[-1] if reason else error or 'no answer in time'}",
            "try again; if it fails again, report it with this message",
        ) from None
    finally:
        box.close()


def meet(
    boxes: tuple[Box, Box], jobs: tuple[Job, Job], limits: tuple[Limits, Limits]
) -> tuple[Reply, Reply]:
    """Run two programs at once, each one's stdout being the other one's stdin.

    Raises:
        OSError, EOFError: a box failed.
    """
    (in_0, out_1), (in_1, out_0) = os.pipe(), os.pipe()
    try:
        boxes[0].send(replace(jobs[0], stdin=in_0, stdout=out_0), limits[0])
        boxes[1].send(replace(jobs[1], stdin=in_1, stdout=out_1), limits[1])
    finally:
        for end in (in_0, out_1, in_1, out_0):
            os.close(end)
    return boxes[0].receive(limits[0]), boxes[1].receive(limits[1])


def _ends_within(process: int, seconds: float) -> bool:
    """Wait for a child, unlike Popen.wait without sleeping in between."""
    descriptor = os.pidfd_open(process)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(1000 * seconds))
    finally:
        os.close(descriptor)


def _words(job: Job) -> bytes:
    words = [*job.arguments, *job.files, job.collect]
    sent = b"".join(word.encode(errors="surrogateescape") + b"\0" for word in words)
    if len(job.arguments) > _ARGUMENTS or len(job.files) > _FILES or len(sent) > _WORD_BYTES:
        raise SandboxError(
            f"{len(job.arguments)} arguments and {len(job.files)} files are too many for a box",
            f"give at most {_ARGUMENTS} arguments and {_FILES} files",
        )
    return sent


@cache
def _filter_file(executes: bool) -> int:
    """Open for good, and shared by all boxes: they only read it."""
    return _memory_file(build_filter(os.uname().machine, executes))


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("judge")
    view, at = memoryview(content), 0
    while at < len(view):
        at += os.pwrite(descriptor, view[at:], at)
    return descriptor
