"""Bad data, as a user meets it: each problem's file and line is named, and the rest is graded."""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks import find_benchmark
from eval.grade import grade
from tessy.config import BenchmarkConfig
from tests.eval import kinds
from tests.eval.fixtures import lcb_pro, livecodebench, ojbench

HERE = Path(__file__).parent
ACCEPT = "int main() { return 0; }"  # a checker that needs no testlib.h
CPP = f"```cpp\n#include <iostream>\n{ACCEPT}\n```"
DOUBLE = "```python\na = int(input())\nprint(2 * a)\n```"
SUM = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"


def graded(kind: str, data: Path, content: str, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of the same answer to several problems, a good one around them."""
    asked, out = data.parent / "responses.jsonl", data.parent / "out.jsonl"
    asked.write_text("".join(json.dumps(key | {"content": content}) + "\n" for key in keys))
    grade(kind, data, asked, out, workers=2)
    return [json.loads(line) for line in out.read_text().splitlines()]


def zipped(path: Path, files: Mapping[str, str | bytes], *odd: zipfile.ZipInfo) -> None:
    lcb_pro.archive(path, files)
    with zipfile.ZipFile(path, "a") as archive:
        for info in odd:
            archive.writestr(info, "/etc/passwd")


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def flipped(path: Path, name: str) -> None:
    """Change a byte of a file in an archive."""
    data = bytearray(path.read_bytes())
    data[data.index(name.encode()) + len(name)] ^= 0xFF
    path.write_bytes(data)


PRO = {
    "corrupt": r"corrupt\.zip is no readable zip archive",
    "flipped": r"flipped\.zip: 'testdata/1\.in' is damaged",
    "bomb": r"bomb\.zip: 'testdata/1\.in' is \d+,\d+ bytes that unpack to 104,857,600",
    "escape": r"escape\.zip: '\.\./\.\./evil' leads out of the archive",
    "link": r"link\.zip: 'testdata/9\.in' is a link or a device",
    "unknown_key": r"unknown_key\.zip/config\.yaml:9: unknown key 'timelimit'; did you mean",
    "missing_test": r"missing_test\.zip/config\.yaml:8: .*n_cases needs 'testdata/2\.in'",
    "unequal": r"unequal\.zip/config\.yaml:8: .*n_cases needs 'testdata/3\.ans'",
    "no_checker": r"no_checker\.zip/config\.yaml:5: checker 'chk\.cc' is not in the archive",
    "no_compile": r"no_compile\.zip/chk\.cc does not compile \(main\.cpp:1:",
    "crashes": r"test 1: .*crashes\.zip/chk\.cc failed itself \(runtime_error: killed by SIGABRT",
}


def make_pro(folder: Path) -> None:
    files = lcb_pro.SUM | {"chk.cc": ACCEPT}
    for name in ("good", "flipped", *PRO):
        lcb_pro.archive(folder / f"{name}.zip", files)
    (folder / "corrupt.zip").write_bytes(b"PK\x03\x04 and no more")
    flipped(folder / "flipped.zip", "testdata/1.in")
    zipped(folder / "bomb.zip", files | {"testdata/1.in": bytes(100 << 20)})
    zipped(folder / "escape.zip", files, zipfile.ZipInfo("../../evil"))
    zipped(folder / "link.zip", files, link("testdata/9.in"))
    zipped(folder / "unknown_key.zip", files | {"config.yaml": lcb_pro.CONFIG + "timelimit: 3s\n"})
    for name, gone in (
        ("missing_test", "testdata/2.in"),
        ("unequal", "testdata/3.ans"),
        ("no_checker", "chk.cc"),
    ):
        kept = {file: text for file, text in files.items() if file != gone}
        lcb_pro.archive(folder / f"{name}.zip", kept)
    zipped(folder / "no_compile.zip", files | {"chk.cc": "int main( {"})
    zipped(
        folder / "crashes.zip", files | {"chk.cc": "#include <cstdlib>\nint main() { abort(); }"}
    )


@kinds.needs("cpp")
def test_bad_archives_of_livecodebench_pro(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_pro(data)
    names = ["good", *PRO, "nosuch", "../../etc/passwd"]
    good, *bad, unknown, escaping = graded(
        "lcb_pro", data, CPP, [{"problem_id": name} for name in names]
    )
    assert good["verdict"] == "Accepted"
    for name, row in zip(PRO, bad, strict=True):
        assert row["verdict"] == "Internal Error" and not row["is_passed"], name
        assert re.search(PRO[name], row["message"]), (name, row["message"])
    for number, row in ((13, unknown), (14, escaping)):
        assert row["verdict"] == "unjudged"
        assert f"responses.jsonl:{number}: problem '" in row["message"]
    assert not (tmp_path / "evil").exists() and not (tmp_path.parent / "evil").exists()


def test_evaluation_lists_the_same_problems_of_livecodebench_pro(tmp_path: Path) -> None:
    make_pro(tmp_path)
    (tmp_path / "quater.jsonl").write_text("".join(lcb_pro.row(name) for name in ("good", *PRO)))
    config = BenchmarkConfig("x", kind="lcb_pro", path=str(tmp_path), split="quater", runs=1)
    loaded = find_benchmark("lcb_pro").load(config, 0)
    found_later = ["flipped", "no_compile", "crashes"]  # in what only judging looks at
    assert [p.problem_id for p in loaded.problems] == ["good", *found_later]
    assert [u.problem_id for u in loaded.unjudged] == [n for n in PRO if n not in found_later]
    for problem in loaded.unjudged:
        assert problem.counts and re.search(PRO[problem.problem_id], problem.reason)


HELPER = "{files: checker.cpp, lang: CPP17, time_limit: 1}"
BRIDGED = f"checker: {{name: bridged, args: {HELPER}}}\n{ojbench.CASES}"
MODULE = "checker: near.py\n" + ojbench.CASES
TALK = "interactive: {files: talk.cpp}\n" + ojbench.CASES
ABORT = "#include <cstdlib>\nint main() { abort(); }"
HANG = "#include <unistd.h>\nint main() { for (;;) pause(); }"
# What init.yml says, other files, and the fault.
DMOJ: dict[int, tuple[str, dict[str, str], str]] = {
    200: ("chekcer: standard\n" + ojbench.CASES, {}, r"loj-200/init\.yml:2: unknown key 'chekcer'"),
    201: ("test_cases:\n- {in: 1.in, out: 9.out}\n", {}, r"init\.yml:3: .*out '9\.out' is not th"),
    202: ("test_cases: [", {}, r"loj-202/init\.yml:2: not YAML"),
    203: (BRIDGED, {"checker.cpp": "int main( {"}, r"loj-203/checker\.cpp does not compile"),
    204: (BRIDGED, {"checker.cpp": ABORT}, r"test 1: .*loj-204/checker\.cpp failed itself"),
    205: (BRIDGED, {"checker.cpp": HANG}, r"test 1: .*loj-205/checker\.cpp .*not done after 3 s"),
    206: (
        BRIDGED,
        {"checker.cpp": "int main() { return 5; }"},
        r"checker\.cpp ended with status 5",
    ),
    207: (MODULE, {"near.py": "def check(:"}, r"test 1: .*loj-207/near\.py failed .*SyntaxError"),
    208: (MODULE, {"near.py": "def check(*a, **k): raise SystemExit"}, r"without a verdict"),
    209: (TALK, {"talk.cpp": ABORT}, r"test 1: .*loj-209/talk\.cpp failed itself .*SIGABRT"),
    210: ("custom_judge: judge.py\n" + ojbench.CASES, {}, r"loj-210/init\.yml:2: custom_judge is"),
}


@kinds.needs("cpp")
@kinds.needs("pypy")
def test_bad_problems_of_ojbench(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ojbench.problem(data / "NOI" / "loj-100", ojbench.CASES)
    for number, (init, files, _) in DMOJ.items():
        ojbench.problem(data / "NOI" / f"loj-{number}", init, files)
    ojbench.problem(data / "NOI" / "loj-300", ojbench.CASES)
    (data / "NOI" / "loj-300" / "tests.zip").write_bytes(b"nothing")
    keys = [{"id": number, "language": "python"} for number in (100, *DMOJ, 300, 999)]
    good, *bad, corrupt, unknown = graded("ojbench", data, DOUBLE, keys)
    assert good["verdict"] == "AC"
    for number, row in zip(DMOJ, bad, strict=True):
        assert row["verdict"] == "IE", number
        assert re.search(DMOJ[number][2], row["message"]), (number, row["message"])
    assert "loj-300/tests.zip is no readable zip archive" in corrupt["message"]
    assert unknown["verdict"] == "unjudged" and "responses.jsonl:14: " in unknown["message"]


class Attack:
    def __reduce__(self) -> Any:
        return exit, ("the pickle was obeyed",)


def test_bad_rows_of_livecodebench(tmp_path: Path) -> None:
    base = livecodebench.row("good", "2024-08-01", [("1 2", "3")], [("2 2", "4")])
    evil = base64.b64encode(zlib.compress(pickle.dumps(Attack()))).decode()
    changes = {
        "evil": ({"private_test_cases": evil}, r"test5\.jsonl:2: private_test_cases is a pickle"),
        "rubbish": ({"private_test_cases": "%"}, r"jsonl:3: private_test_cases is neither JSON"),
        "half": ({"public_test_cases": '[{"output": "1"}]'}, r"jsonl:4: public_test_cases\[0\] la"),
        "none": ({"public_test_cases": "[]", "private_test_cases": "[]"}, r"jsonl:5 has no tests"),
        "named": ({"metadata": '{"func_name": "os.system"}'}, r"jsonl:6: metadata\.func_name is"),
        "number": ({"public_test_cases": 3}, r"jsonl:7: public_test_cases is 3, not a text"),
    }
    rows = [base, *(base | {"question_id": name} | new for name, (new, _) in changes.items())]
    data = tmp_path / "data"
    data.mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (data / "test5.jsonl").write_text(
        lines + "{broken\n" + json.dumps(base | {"question_id": "last"}) + "\n"
    )
    keys = [{"question_id": name} for name in ("good", *changes, "last", "nosuch")]
    good, *bad, last, unknown = graded("livecodebench", data, SUM, keys)
    assert (good["verdict"], last["verdict"]) == ("Accepted", "Accepted")
    for (name, (_, said)), row in zip(changes.items(), bad, strict=True):
        assert row["verdict"] in ("Runner Error", "unjudged"), name
        assert re.search(said, row["message"]), (name, row["message"])
    assert "responses.jsonl:9: question 'nosuch' is not in" in unknown["message"]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
    shutil.rmtree(folder)


def graded_by_a_user(
    kind: str, shared: Path, keys: list[dict[str, Any]]
) -> subprocess.CompletedProcess[str]:
    """Grade `shared`/in/data as a user whom closed folders keep out, which root's do not."""
    asked = shared / "responses.jsonl"
    asked.write_text("".join(json.dumps(key | {"content": DOUBLE}) + "\n" for key in keys))
    as_user = [sys.executable, str(HERE / "as_user.py")] if os.geteuid() == 0 else []
    options = ["--data", str(shared / "in" / "data"), "--responses", str(asked)]
    return subprocess.run(
        [
            *(*as_user, sys.executable, "-m", "eval.grade", kind, *options),
            *("--out", str(shared / "out.jsonl")),
        ],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
    )


@pytest.mark.parametrize("closed", ["in", "in/data"])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("ojbench", {"id": 100, "language": "python"}),
        ("lcb_pro", {"problem_id": "2000A"}),
        ("livecodebench", {"question_id": "abc_a"}),
    ],
)
def test_an_unreadable_data_folder_is_one_clear_error(
    shared: Path, kind: str, key: dict[str, Any], closed: str
) -> None:
    (shared / "in" / "data").mkdir(parents=True)
    (shared / closed).chmod(0)
    done = graded_by_a_user(kind, shared, [key])
    said = f"error: {shared}/in/data is no folder to be read (Permission denied)"
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_an_unreadable_folder_within_the_data_is_not_passed_over(shared: Path) -> None:
    livecodebench.make(shared / "in" / "data")
    inner = shared / "in" / "data" / "more"
    inner.mkdir(mode=0)
    done = graded_by_a_user("livecodebench", shared, [{"question_id": "abc_a"}])
    assert done.returncode == 1
    assert f"error: {inner} is no folder to be read (Permission denied)" in done.stderr


@kinds.needs("pypy")
@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ("", "loj-101 is no folder to be read (Permission denied)"),
        ("init.yml", "loj-101: 'init.yml' cannot be read ([Errno 13] Permission denied"),
        ("tests.zip", "loj-101/tests.zip is no readable zip archive ([Errno 13] Permission"),
    ],
)
def test_an_unreadable_problem_is_named_and_the_rest_is_graded(
    shared: Path, closed: str, said: str
) -> None:
    for number in (100, 101):
        ojbench.problem(shared / "in" / "data" / "NOI" / f"loj-{number}", ojbench.CASES)
    (shared / "in" / "data" / "NOI" / "loj-101" / closed).chmod(0)
    keys = [{"id": number, "language": "python"} for number in (101, 100)]
    done = graded_by_a_user("ojbench", shared, keys)
    assert done.returncode == 0, done.stderr
    bad, good = map(json.loads, (shared / "out.jsonl").read_text().splitlines())
    assert good["verdict"] == "AC"
    assert bad["verdict"] in ("IE", "unjudged") and said in bad["message"]
