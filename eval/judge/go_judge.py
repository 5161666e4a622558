"""Programs that a go-judge service runs, asked over HTTP (https://docs.goj.ac/api, its /run).

A box is then a connection and the files that were uploaded for it: each test is a container of the
service's own, so there is nothing to keep between them. Bytes travel as files of the service, since
its JSON holds text only, and are deleted there as soon as they are of no more use.
"""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eval.judge.job import Job
from eval.judge.setting import Setting
from eval.judge.spec import Language, Limits
from eval.judge.verdicts import Reason, Reply
from tessy.errors import SandboxError

TOOLS: dict[Language, str] = {
    "cpp": "/usr/bin/g++",
    "pypy": "/usr/bin/pypy3",
    "python": "/usr/bin/python3",
}
TOKEN = "ES_AUTH_TOKEN"  # the variable from which the service takes it as well
_ENVIRONMENT = ["PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", "PYTHONHASHSEED=0"]
_PROGRAM, _SOURCE = "program", "main.py"
_PATIENCE = 10  # times a test's clock limit: others may be queued before it
_GRACE_SECONDS = 30.0
_ENDED = {"Accepted", "Nonzero Exit Status", "File Error"}  # by itself
_LIMITS = {"Memory Limit Exceeded", "Time Limit Exceeded", "Output Limit Exceeded"}
_COMPILE = f"""
with open({_SOURCE!r}, "rb") as file:
    code = compile(file.read().decode("utf-8-sig"), {_SOURCE!r}, "exec", dont_inherit=True)
"""
# As in a native box: what a program would miss of `site`, and no name of this text's own.
_RUN = f"""
import builtins, sys, _sitebuiltins
for name in ("exit", "quit"):
    setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))
sys.argv = [{_SOURCE!r}]
{_COMPILE}
exec(code, {{"__name__": "__main__", "__file__": {_SOURCE!r}, "__builtins__": builtins}})
"""


class Service:
    """A connection to a service. Not for several threads at once."""

    def __init__(self, address: str, seconds: float = _GRACE_SECONDS) -> None:
        self.address = address
        found = urlsplit(address)
        self._root = found.path.rstrip("/")
        kind = HTTPSConnection if found.scheme == "https" else HTTPConnection
        self._connection = kind(found.hostname or "", found.port, timeout=seconds)
        token = os.environ.get(TOKEN)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def run(self, commands: Sequence[dict[str, Any]], pipes: Sequence[Any] = ()) -> list[Any]:
        """The results of commands that run together."""
        body = {"cmd": commands, "pipeMapping": pipes}
        answer = self._read(self._ask("POST", "/run", json.dumps(body).encode()))
        if not isinstance(answer, list) or len(answer) != len(commands):
            raise self._fault(f"it answers {answer!r:.200}")
        return answer

    def upload(self, content: bytes) -> str:
        """The service's name for a file of this content."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        return str(self._read(self._ask("POST", "/file", body, kind)))

    def take(self, name: str) -> bytes:
        """The content of a file, which the service then forgets."""
        content = self._ask("GET", f"/file/{name}")
        self.delete(name)
        return content

    def delete(self, name: str) -> None:
        self._ask("DELETE", f"/file/{name}")

    def close(self) -> None:
        self._connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> bytes:
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        try:
            self._connection.request(method, self._root + path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise self._fault(str(error) or type(error).__name__) from None
        if answer.status == 401:
            raise self._fault(f"it refuses the token in {TOKEN}")
        if answer.status != 200:
            said = content.decode(errors="replace").strip()[:200]
            raise self._fault(f"{method} {path}: {answer.status} {answer.reason} {said}".strip())
        return content

    def _read(self, answer: bytes) -> Any:
        try:
            return json.loads(answer)
        except ValueError:
            said = answer.decode(errors="replace")
            raise self._fault(f"it answers {said!r:.200}, which is no JSON") from None

    def _fault(self, why: str) -> SandboxError:
        return SandboxError(
            f"the go-judge service at {self.address} failed ({why})",
            "look at the service; TESSY_SANDBOX names its address",
        )


class GoJudgeBox:
    """What it uploaded is deleted when it is closed. Not for several threads at once."""

    def __init__(self, address: str, setting: Setting) -> None:
        limits = setting.limits
        self.service = Service(address, _PATIENCE * limits.wall_seconds + _GRACE_SECONDS)
        self._interpreter = setting.interpreter
        self._binary = Path(setting.binds[0][0]).read_bytes() if setting.binds else b""
        self._program: tuple[bytes, str] | None = None  # content, and the service's name for it

    def run(self, job: Job, limits: Limits) -> Reply:
        """Run a job.

        Raises:
            SandboxError: the service failed, not the program.
        """
        uploaded: list[str] = []
        try:
            (result,) = self.service.run([self.command(job, limits, uploaded)])
        finally:
            for name in uploaded:
                self.service.delete(name)
        return self.reply(job, result, limits)

    def command(
        self, job: Job, limits: Limits, uploaded: list[str], piped: bool = False
    ) -> dict[str, Any]:
        """A job as the service is asked for it; adds to `uploaded` what it uploads."""

        def file(content: bytes) -> dict[str, str]:
            try:
                return {"content": content.decode()}
            except UnicodeDecodeError:
                uploaded.append(self.service.upload(content))
                return {"fileId": uploaded[-1]}

        copied = {name: file(content) for name, content in job.files.items()}
        arguments = list(job.arguments)
        if self._interpreter:
            assert job.program is not None, "an interpreter is given what to run"
            copied[_SOURCE] = self._uploaded(job.program)
            arguments = [*self._interpreter, "-c", _COMPILE if job.compiles else _RUN]
        elif self._binary:
            copied[_PROGRAM] = self._uploaded(self._binary)
            arguments[0] = f"./{_PROGRAM}"
        assert isinstance(job.stdin, bytes), "programs that meet get their pipes from the service"
        most = limits.output_kb << 10
        out = {"name": "stdout", "max": most}
        err = out if job.one_stream else {"name": "stderr", "max": most}
        return {
            "args": arguments,
            "env": _ENVIRONMENT,
            "files": [None, None, err] if piped else [file(job.stdin), out, err],
            "cpuLimit": int(limits.cpu_seconds * 1e9),
            "clockLimit": int(limits.wall_seconds * 1e9),
            "memoryLimit": limits.memory_mb << 20,
            "stackLimit": (limits.stack_mb or limits.memory_mb) << 20,
            "procLimit": limits.processes,
            "copyIn": copied,
            "copyOutCached": ["stdout"][piped:] + [f"{job.collect}?"][not job.collect :],
        }

    def reply(self, job: Job, result: dict[str, Any], limits: Limits) -> Reply:
        """What the service measured."""
        status, code = result["status"], int(result["exitStatus"])
        errors = result.get("fileError") or []
        files = {name: self.service.take(id) for name, id in (result.get("fileIds") or {}).items()}
        copied_in = [e for e in errors if str(e.get("type", "")).startswith("CopyIn")]
        if status == "Signalled":
            code = -code
        elif status == "Dangerous Syscall":
            code = -signal.SIGSYS
        elif status not in _ENDED | _LIMITS or copied_in:
            raise SandboxError(
                f"the go-judge service at {self.service.address} could not run a program "
                f"({status}: {result.get('error') or copied_in!s:.200})",
                "look at the service; the program was not judged",
            )
        stdout = files.get("stdout", b"")
        stderr = str((result.get("files") or {}).get("stderr", "")).encode()
        reason: Reason = ""
        if status == "Time Limit Exceeded":
            reason = "wall" if result["runTime"] >= limits.wall_seconds * 1e9 else "cpu"
        if (
            status == "Output Limit Exceeded"
            or any(error.get("type") == "CollectSizeExceeded" for error in errors)
            or len(stdout) + len(stderr) > limits.output_kb << 10
        ):
            reason = "output"
        return Reply(
            reason=reason,
            status=code,
            cpu=result["time"] / 1e9,
            wall=result["runTime"] / 1e9,
            memory_kb=result["memory"] >> 10,
            oom=int(status == "Memory Limit Exceeded"),
            # An interpreter that only compiles is given the source again, to run it.
            stdout=job.program if job.compiles and job.program else stdout,
            stderr=stderr[-4096:],
            collected=files.get(job.collect, b""),
        )

    def close(self) -> None:
        try:
            if self._program:
                self.service.delete(self._program[1])
        finally:
            self.service.close()

    def _uploaded(self, content: bytes) -> dict[str, str]:
        """A file that all tests of a submission use."""
        if self._program is None or self._program[0] is not content:
            if self._program:
                self.service.delete(self._program[1])
            self._program = content, self.service.upload(content)
        return {"fileId": self._program[1]}


def meet(
    boxes: tuple[GoJudgeBox, GoJudgeBox], jobs: tuple[Job, Job], limits: tuple[Limits, Limits]
) -> tuple[Reply, Reply]:
    """Run two programs at once, each one's stdout being the other one's stdin.

    Raises:
        SandboxError: the service failed.
    """
    uploaded: list[str] = []
    service = boxes[1].service  # the one that waits longer
    try:
        commands = [
            box.command(job, most, uploaded, piped=True)
            for box, job, most in zip(boxes, jobs, limits, strict=True)
        ]
        pipes = [
            {
                "in": {"index": writer, "fd": 1},
                "out": {"index": 1 - writer, "fd": 0},
                # A proxy swallows what is written to who has left.
                "proxy": jobs[writer].no_sigpipe,
            }
            for writer in (0, 1)
        ]
        first, second = service.run(commands, pipes)
    finally:
        for name in uploaded:
            service.delete(name)
    return boxes[0].reply(jobs[0], first, limits[0]), boxes[1].reply(jobs[1], second, limits[1])


@lru_cache
def tool_version(address: str, language: Language) -> str:
    """What the service's compiler or interpreter calls itself; "" where it has none."""
    limits = Limits(10, 30, 512, 64, 16)
    job = Job([TOOLS[language], "--version"], one_stream=True)
    with closing(GoJudgeBox(address, Setting(limits))) as box:
        (result,) = box.service.run([box.command(job, limits, [])])
        if result["status"] != "Accepted":  # "Internal Error" where there is no such file
            return ""
        return box.reply(job, result, limits).stdout.decode(errors="replace").strip()
