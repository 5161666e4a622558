"""A service that speaks go-judge's documented protocol, and really runs what it is asked to.

Written after https://docs.goj.ac/api and the README of github.com/criyle/go-judge: /run with
one command, or several and pipes between them; files by upload, content or collector; /version.
Programs run in boxes of this machine, which stand for the service's containers.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from eval.judge.boxes import Box, open_box
from eval.judge.isolation import Isolation
from eval.judge.job import Job
from eval.judge.languages import PROGRAM
from eval.judge.setting import Setting
from eval.judge.spec import Limits
from eval.judge.verdicts import Reply
from tessy.errors import SandboxError

_FOLDERS = ("/bin", "/lib", "/lib64", "/usr")  # as its own default mounts
_COMMAND = {
    *("args", "env", "files", "cpuLimit", "clockLimit", "memoryLimit", "stackLimit", "procLimit"),
    *("copyIn", "copyOut", "copyOutCached"),
}


class Service(ThreadingHTTPServer):
    """Listens on a free port of this machine; `files` is what it keeps for its users."""

    daemon_threads = True

    def __init__(self, isolation: Isolation, token: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.isolation, self.token = isolation, token
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def keep(self, content: bytes) -> str:
        name = uuid.uuid4().hex[:8].upper()
        self.files[name] = content
        return name


@contextmanager
def serving(isolation: Isolation, token: str = "") -> Iterator[Service]:
    with Service(isolation, token) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield service
        service.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        self.server.requests.append(format % args)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token, path = self.server.token, self.path
        if path == "/version":
            self._answer(200, {"buildVersion": "v1.9.0", "os": "linux"})
        elif token and self.headers.get("Authorization") != f"Bearer {token}":
            self._answer(401, b"")
        elif path == "/run":
            self._run(json.loads(body))
        elif path == "/file":
            self._answer(200, self.server.keep(self._form(body)) if body else self._names())
        elif path.removeprefix("/file/") not in self.server.files:
            self._answer(404, b"")
        elif self.command == "DELETE":
            del self.server.files[path.removeprefix("/file/")]
            self._answer(200, b"")
        else:
            self._answer(200, self.server.files[path.removeprefix("/file/")])

    def _run(self, request: dict[str, Any]) -> None:
        unknown = {key for command in request["cmd"] for key in command} - _COMMAND
        if unknown:  # the service itself is less strict
            self._answer(400, f"unknown fields {sorted(unknown)}")
            return
        try:
            self._answer(200, run(self.server, request["cmd"], request.get("pipeMapping") or []))
        except KeyError as error:
            self._answer(500, f"file not exists with id {error}")

    def _form(self, body: bytes) -> bytes:
        """The file in a form of several parts."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = message_from_bytes(head + body).get_payload()
        assert part.get_param("name", header="Content-Disposition") == "file"  # type: ignore[union-attr]
        edge = self.headers["Content-Type"].partition("boundary=")[2].encode()
        return body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--" + edge + b"--")[0]

    def _names(self) -> dict[str, str]:
        return dict.fromkeys(self.server.files, "file")

    def _answer(self, status: int, content: Any) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def run(service: Service, commands: list[Any], pipes: list[Any]) -> list[dict[str, Any]]:
    """One command, or all of them at once with pipes between them."""
    with ExitStack() as stack:
        ends: list[dict[int, int]] = [{} for _ in commands]
        for pipe in pipes:
            reader, writer = _pipe(stack, bool(pipe.get("proxy")))
            ends[pipe["in"]["index"]][pipe["in"]["fd"]] = writer
            ends[pipe["out"]["index"]][pipe["out"]["fd"]] = reader
        started = []
        for command, own in zip(commands, ends, strict=True):
            try:
                started.append(_start(stack, service, command, own))
            except SandboxError as error:
                return [_result("Internal Error", error=str(error))]
        for own in ends:
            for end in own.values():
                os.close(end)
        return [
            _measured(service, command, box.receive(limits))
            for command, (box, limits) in zip(commands, started, strict=True)
        ]


def _start(
    stack: ExitStack, service: Service, command: Mapping[str, Any], ends: Mapping[int, int]
) -> tuple[Box, Limits]:
    contents = {name: _content(service, file) for name, file in command["copyIn"].items()}
    binds = [(f, f) for f in _FOLDERS if not Path(f).is_symlink()]
    arguments = list(command["args"])
    if arguments[0].startswith("./"):
        program = Path(stack.enter_context(tempfile.TemporaryDirectory()), "program")
        program.write_bytes(contents.pop(arguments[0][2:]))
        program.chmod(0o755)
        binds.append((str(program), PROGRAM))
        arguments[0] = PROGRAM
    elif not Path(arguments[0]).exists():
        raise SandboxError(f"execve: {arguments[0]}: no such file or directory")
    links = [(f, str(Path(f).readlink())) for f in _FOLDERS if Path(f).is_symlink()]
    collectors = [file for file in command["files"] if file and "max" in file]
    limits = Limits(
        cpu_seconds=command["cpuLimit"] / 1e9,
        wall_seconds=command["clockLimit"] / 1e9,
        memory_mb=command["memoryLimit"] >> 20,
        output_kb=max(file["max"] for file in collectors) >> 10,
        processes=command["procLimit"],
        stack_mb=command["stackLimit"] >> 20,
        files_mb=128,
    )
    devices = [(f"/dev/{name}", f"/dev/{name}") for name in ("null", "zero", "urandom")]
    box = stack.enter_context(
        open_box(service.isolation, Setting(limits, (*binds, *devices), tuple(links)))
    )
    assert isinstance(box, Box)
    names = [file["name"] for file in collectors]
    job = Job(
        arguments,
        ends[0] if 0 in ends else _content(service, command["files"][0]),
        ends.get(1),
        files=contents,
        collect=next(iter(_files(command)), ""),
        one_stream=names == ["stdout", "stdout"],
    )
    box.send(job, limits)
    return box, limits


def _files(command: Mapping[str, Any]) -> list[str]:
    """What is copied out besides what is collected."""
    return [n.removesuffix("?") for n in command["copyOutCached"] if n != "stdout"]


def _content(service: Service, file: Mapping[str, str]) -> bytes:
    return file["content"].encode() if "content" in file else service.files[file["fileId"]]


def _pipe(stack: ExitStack, proxy: bool) -> tuple[int, int]:
    reader, writer = os.pipe()
    if not proxy:
        return reader, writer
    inner_reader, inner_writer = os.pipe()

    def copy() -> None:
        open_still = True
        while data := os.read(reader, 65536):
            try:
                while open_still and data:
                    data = data[os.write(inner_writer, data) :]
            except BrokenPipeError:
                open_still = False  # and the rest is swallowed
                os.close(inner_writer)
        os.close(reader)
        if open_still:
            os.close(inner_writer)

    thread = threading.Thread(target=copy)
    thread.start()
    stack.callback(thread.join)
    return inner_reader, writer


def _measured(service: Service, command: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    status, code, errors = "Accepted", reply.status, []
    if reply.oom:
        status, code = "Memory Limit Exceeded", 9
    elif reply.reason == "output":
        status, code = "Output Limit Exceeded", 0
        errors = [{"name": "stdout", "type": "CollectSizeExceeded"}]
    elif reply.reason:
        status, code = "Time Limit Exceeded", 9
    elif code < 0:
        status, code = "Signalled", -code
    elif code:
        status = "Nonzero Exit Status"
    ids = {}
    if "stdout" in command["copyOutCached"]:
        ids["stdout"] = service.keep(reply.stdout)
    for name in _files(command):
        if reply.collected:
            ids[name] = service.keep(reply.collected)
    stderr = reply.stderr.decode(errors="replace")  # as Go writes JSON
    return _result(status, code, reply, ids, {"stderr": stderr}) | {"fileError": errors}


def _result(
    status: str,
    code: int = 0,
    reply: Reply | None = None,
    ids: Mapping[str, str] = {},
    files: Mapping[str, str] = {},
    error: str = "",
) -> dict[str, Any]:
    return {
        "status": status,
        "exitStatus": code,
        "time": int(reply.cpu * 1e9) if reply else 0,
        "runTime": int(reply.wall * 1e9) if reply else 0,
        "memory": reply.memory_kb << 10 if reply else 0,
        "files": dict(files),
        "fileIds": dict(ids),
        **({"error": error} if error else {}),
    }
