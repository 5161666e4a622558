"""Programs judged by a service that speaks go-judge's protocol: verdicts, bytes, and its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from eval.grade import grade
from eval.judge import compiler, go_judge
from eval.judge.compiler import compile_program
from eval.judge.go_judge import GoJudgeBox
from eval.judge.isolation import candidates
from eval.judge.job import Job
from eval.judge.sandbox import check_isolation, open_checker, run_interactive, run_tests
from eval.judge.setting import Setting
from eval.judge.spec import CompileError, CompileOptions, Language, Limits, Program
from eval.judge.trial import _checked_isolation, _try
from tessy.errors import ConfigError, SandboxError
from tests.eval import kinds
from tests.eval.fixtures import lcb_pro, livecodebench, ojbench
from tests.eval.go_judge_server import Service, serving

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=2, memory_mb=128, output_kb=64, processes=8)
OPTIONS = CompileOptions("cpp", ("-O1",))
HEAD = "#include <bits/stdc++.h>\nusing namespace std;\n"
pytestmark = kinds.needs("cpp")


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with serving(check_isolation()) as service:
        yield service


@pytest.fixture
def service(running: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    kinds.force(running.address, monkeypatch)
    yield running
    assert running.files == {}  # what was uploaded or cached there is deleted


def build(language: Language, source: str) -> Program:
    program = compile_program(source, CompileOptions(language, OPTIONS.flags))
    assert isinstance(program, Program), program.message
    return program


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("cpp", HEAD + "int main() { int a; cin >> a; cout << a + 1; }"),
        pytest.param("pypy", "print(int(input()) + 1)", marks=kinds.needs("pypy")),
        ("python", "print(int(input()) + 1)\nexit()"),
    ],
)
def test_each_language_runs(service: Service, language: Language, source: str) -> None:
    runs = run_tests(build(language, source), [b"1", b"41"], LIMITS)
    assert [(run.verdict, run.stdout.strip()) for run in runs] == [
        ("accepted", b"2"),
        ("accepted", b"42"),
    ]
    assert all(run.cpu_ms > 0 and run.memory_kb > 0 for run in runs)


@pytest.mark.parametrize(
    ("source", "verdict", "said"),
    [
        ("int main() { for (volatile int i = 0;;) i = i + 1; }", "time_limit", "0.5 s of CPU"),
        ("#include <unistd.h>\nint main() { sleep(60); }", "time_limit", "not done after 2 s"),
        (HEAD + "int main() { for (;;) memset(malloc(1 << 20), 1, 1 << 20); }", "memory_limit", ""),
        (HEAD + "int main() { for (;;) puts(string(999, 'x').c_str()); }", "output_limit", "64 K"),
        (HEAD + "int main() { for (;;) cerr << string(999, 'x'); }", "output_limit", "64 KiB"),
        ("int main() { return 3; }", "runtime_error", "exit status 3"),
        ("int main() { __builtin_trap(); }", "runtime_error", "killed by SIGILL"),
        (HEAD + 'int main() { throw runtime_error("it"); }', "runtime_error", "SIGABRT"),
    ],
)
def test_how_a_program_ended(service: Service, source: str, verdict: str, said: str) -> None:
    isolation_measures = bool(service.isolation.cgroup)
    (run,) = run_tests(build("cpp", source), [b""], LIMITS)
    if verdict == "memory_limit" and not isolation_measures:
        assert run.verdict in ("memory_limit", "runtime_error")
        return
    assert run.verdict == verdict and said in run.message, run


def test_bytes_that_are_no_text_come_and_go(service: Service) -> None:
    echo = build("cpp", HEAD + "int main() { cout << cin.rdbuf(); }")
    everything = bytes(range(256)) * 3
    for stdin in (everything, "é\r\n\x85".encode(), b""):
        assert run_tests(echo, [stdin], LIMITS)[0].stdout == stdin


def test_what_does_not_compile_says_why(service: Service) -> None:
    error = compile_program("int main() { return x; }", OPTIONS)
    assert isinstance(error, CompileError) and "main.cpp:1:21: error: " in error.message
    bomb = compile_program("#include __FILE__\n#include __FILE__\nint main() {}", OPTIONS)
    assert isinstance(bomb, CompileError) and bomb.message
    (run,) = run_tests(Program("python", "def f(:"), [b""], LIMITS)
    assert run.verdict == "compile_error" and run.message.startswith("SyntaxError")


def test_a_program_is_compiled_there_once_and_uploaded_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "_toolchain", lambda _: pytest.fail("ours does not matter"))
    program = build("cpp", HEAD + "int main() { cout << 7; }")
    service.requests.clear()
    assert build("cpp", HEAD + "int main() { cout << 7; }") == program
    run_tests(program, [b""] * 5, LIMITS)
    assert sum("POST /file" in line for line in service.requests) == 1
    assert sum("POST /run" in line for line in service.requests) == 5


def test_a_checker_sees_its_files(service: Service) -> None:
    source = """int main(int n, char **words) {
        for (int i = 1; i < n; i++) cerr << ifstream(words[i]).rdbuf() << ';';
        return 4; }"""
    with open_checker(build("cpp", HEAD + source), LIMITS) as check:
        for text in (b"one", b"\xff"):
            run = check({"in.txt": text, "out.txt": b"2"}, ["in.txt", "out.txt"])
            assert (run.exit_code, run.stderr.decode(errors="replace")) == (
                4,
                f"{text.decode(errors='replace')};2;",
            )


GUESS = (
    HEAD
    + """int main() { int low = 1, high = 100; string answer;
    while (true) { int middle = (low + high) / 2; cout << middle << endl;
        if (!(cin >> answer) || answer == "=") return 0;
        (answer == "<" ? low : high) = middle + (answer == "<" ? 1 : -1); } }"""
)
HOST = (
    HEAD
    + """int main(int n, char **words) { int secret, guess; ifstream(words[1]) >> secret;
    for (int turn = 0; turn < 9 && cin >> guess; turn++) {
        if (guess == secret) { cout << "=" << endl; return 0; }
        cout << (guess < secret ? "<" : ">") << endl; }
    for (int i = 0; i < 99; i++) cout << string(9999, 'x') << endl;  // to who may have left
    return 1; }"""
)


@pytest.mark.parametrize(
    ("source", "verdict", "opinion"),
    [
        (GUESS, "accepted", 0),
        (HEAD + "int main() { cout << 5 << endl; }", "accepted", 1),
        (HEAD + "int main() { abort(); }", "runtime_error", 1),
        (HEAD + "int main() { for (;;); }", "time_limit", 1),
    ],
)
def test_a_program_meets_its_interactor(
    service: Service, source: str, verdict: str, opinion: int
) -> None:
    patient = Limits(2, 6, 128, 64, 8)
    mine, theirs = run_interactive(
        build("cpp", source), build("cpp", HOST), {"in.txt": b"42"}, ["in.txt"], LIMITS, patient
    )
    assert (mine.verdict, theirs.exit_code) == (verdict, opinion), (mine, theirs)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_whole_benchmarks_are_graded(service: Service, tmp_path: Path) -> None:
    kinds.need_testlib()
    double = "```python\na = int(input())\nprint(2 * a)\n```"
    double_in_cpp = f"```cpp\n{HEAD}int main() {{ int a; cin >> a; cout << 2 * a << endl; }}\n```"
    add = f"```cpp\n{HEAD}int main() {{ int a, b; cin >> a >> b; cout << a + b; }}\n```"
    pair = "```python\nclass Solution:\n    def pair(self, a, b):\n        return a, b\n```"
    for kind, make, asked in (
        ("lcb_pro", lcb_pro.make, [{"problem_id": "2000A", "content": add}]),
        (
            "ojbench",
            ojbench.make,
            [
                *({"id": n, "language": "python", "content": double} for n in (100, 101, 102)),
                {"id": "one2023_A", "language": "cpp", "content": double_in_cpp},
            ],
        ),
        ("livecodebench", livecodebench.make, [{"question_id": "3001", "content": pair}]),
    ):
        data = tmp_path / kind
        data.mkdir()
        responses, out = tmp_path / f"{kind}.jsonl", tmp_path / f"{kind}.out"
        responses.write_text("".join(json.dumps(row) + "\n" for row in asked))
        grade(kind, make(data), responses, out, workers=2)
        assert [row["is_passed"] for row in rows(out)] == [True] * len(asked), rows(out)


def result(**changes: Any) -> dict[str, Any]:
    """What the service documents that it says of a program that ended well."""
    return {"status": "Accepted", "exitStatus": 0, "time": 1173000, "memory": 10637312} | {
        "runTime": 1100200,
        "files": {"stderr": ""},
        **changes,
    }


@pytest.mark.parametrize(
    ("said", "reason", "status", "oom"),
    [
        (result(), "", 0, 0),
        (result(status="Nonzero Exit Status", exitStatus=3), "", 3, 0),
        (result(status="Signalled", exitStatus=11), "", -11, 0),
        (result(status="Dangerous Syscall", exitStatus=31), "", -31, 0),
        (result(status="Memory Limit Exceeded", exitStatus=9), "", 9, 1),
        (result(status="Time Limit Exceeded", exitStatus=9), "cpu", 9, 0),
        (result(status="Time Limit Exceeded", exitStatus=9, runTime=2 * 10**9), "wall", 9, 0),
        (result(status="Output Limit Exceeded"), "output", 0, 0),
        # A program that floods is not stopped by it, so its time runs out.
        (
            result(
                status="Time Limit Exceeded",
                exitStatus=9,
                fileError=[{"name": "stdout", "type": "CollectSizeExceeded"}],
            ),
            "output",
            9,
            0,
        ),
        # What was to be copied out is no regular file.
        (
            result(status="File Error", fileError=[{"name": "p", "type": "CopyOutNotRegularFile"}]),
            "",
            0,
            0,
        ),
    ],
)
def test_what_the_service_says_is_understood(
    service: Service, said: dict[str, Any], reason: str, status: int, oom: int
) -> None:
    box = GoJudgeBox(service.address, Setting(LIMITS))
    reply = box.reply(Job(), said, LIMITS)
    assert (reply.reason, reply.status, reply.oom) == (reason, status, oom)
    assert (reply.memory_kb, reply.cpu) == (10388, 0.001173)


@pytest.mark.parametrize(
    "said",
    [
        result(status="Internal Error", error="execve: no such file or directory"),
        result(status="File Error", fileError=[{"name": "a", "type": "CopyInCopyContent"}]),
        result(status="Invalid"),
    ],
)
def test_a_failure_of_the_service_is_no_verdict(service: Service, said: dict[str, Any]) -> None:
    with pytest.raises(SandboxError, match=f"service at {service.address} could not run a program"):
        GoJudgeBox(service.address, Setting(LIMITS)).reply(Job(), said, LIMITS)


def test_a_language_that_the_service_lacks_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(go_judge.TOOLS, "python", "/usr/bin/python2.5")
    go_judge.tool_version.cache_clear()
    with pytest.raises(SandboxError, match=r"need /usr/bin/python2\.5 where http://127\.0\.0\.1"):
        run_tests(Program("python", ""), [b""], LIMITS)
    go_judge.tool_version.cache_clear()


def test_a_token_is_sent_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(check_isolation(), "secret") as service:
        monkeypatch.setenv("TESSY_SANDBOX", service.address)
        (isolation,) = candidates()
        with pytest.raises(SandboxError, match="refuses the token in ES_AUTH_TOKEN"):
            _try(isolation)
        monkeypatch.setenv("ES_AUTH_TOKEN", "secret")
        assert _try(isolation).stdout == b"well\n"


def test_a_service_that_is_not_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSY_SANDBOX", "http://127.0.0.1:9")
    with pytest.raises(
        SandboxError, match=r"^the go-judge service at http://127\.0\.0\.1:9 .*refused"
    ):
        _checked_isolation.__wrapped__()


def test_what_answers_but_is_no_such_service_is_one_clear_error(tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        box = GoJudgeBox(f"http://127.0.0.1:{other.server_port}", Setting(LIMITS))
        with pytest.raises(SandboxError, match=r"failed \(POST /run: 501 Unsupported method"):
            box.run(Job(["/bin/cat"]), LIMITS)
        other.shutdown()


@pytest.mark.parametrize("address", ["localhost:5050", "http://", "http://host:port", "ftp://a"])
def test_an_address_of_no_service_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TESSY_SANDBOX", address)
    with pytest.raises(ConfigError, match="such as http://localhost:5050"):
        candidates()
