"""report.html in a real browser, without a network, with hostile text in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eval.report import Table, write_report
from tessy.config import ReportConfig
from tests.eval.report.synthetic import make

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
CONFIG = ReportConfig(examples=3, bootstrap=500)

HOSTILE = (
    "</script><script>document.title='owned'</script></style></pre></span>"
    "<img src=http://127.0.0.1:9/x onerror=\"document.title='owned'\">'\"&amp;\x00]]>"
)


def open_page(path: Path, profile: Path) -> tuple[str, str]:
    """The DOM after scripts ran, and the browser's log."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"),
            f"--log-net-log={profile / 'net.json'}",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr


def requested(profile: Path) -> list[str]:
    """URLs that the browser asked for while the page was open, the page itself aside."""
    content = (profile / "net.json").read_text()
    urls = set(re.findall(r'"url":"([^"]+)"', content))
    return sorted(u for u in urls if "127.0.0.1" in u or "report.html" in u)


class Cells(HTMLParser):
    """The body rows of the table with id "results"."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.inside = dict(attrs).get("id") == "results"
        if self.inside and tag == "tr":
            self.rows.append([])
        if self.inside and tag == "td":
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, str, str, Path]:
    folder = tmp_path_factory.mktemp("page")
    table = write_report(make(worlds=2, text=HOSTILE), folder, CONFIG)
    dom, log = open_page(folder / "report.html", folder / "profile")
    return table, dom, log, folder


@browser
def test_browser_shows_a_row_for_each_model(opened: tuple[Table, str, str, Path]) -> None:
    table, dom, _, _ = opened
    cells = Cells()
    cells.feed(dom)
    rows = [row for row in cells.rows if row]
    assert [row[0] for row in rows] == [row.method for row in table.rows]
    for shown, row in zip(rows, table.rows, strict=True):
        assert f"{100 * row.score.value:.1f} [" in shown[2]


@browser
def test_script_runs_and_the_console_is_free_of_errors(
    opened: tuple[Table, str, str, Path],
) -> None:
    _, dom, log, _ = opened
    assert dom.count('tabindex="0"') >= 5  # set by the script on the sortable titles
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []


@browser
def test_page_asks_for_nothing_from_the_network(opened: tuple[Table, str, str, Path]) -> None:
    assert requested(opened[3] / "profile") == []


@browser
def test_hostile_text_stays_text(opened: tuple[Table, str, str, Path]) -> None:
    _, dom, _, _ = opened
    assert "<title>mini: TESSY report</title>" in dom
    assert "onerror=&quot;" in dom or 'onerror="document' in dom
    assert not re.search(r"<img\b", dom)
    assert len(re.findall(r"<script\b", dom)) == 1


def test_every_figure_is_well_formed_and_free_of_inline_style(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    write_report(make(worlds=2, rates=(5e-4, 2e-3)), tmp_path, CONFIG)
    page = (tmp_path / "report.html").read_text()
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(figures) >= 6
    for figure in figures:
        ElementTree.fromstring(figure)
    assert " style=" not in page


def test_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    write_report(make(worlds=1), tmp_path, CONFIG)
    page = (tmp_path / "report.html").read_text()
    assert "default-src &#x27;none&#x27;" in page
    assert re.findall(r"\b(?:src|href)\s*=", page) == []
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}


def test_trajectories_keep_writers_and_white_space(tmp_path: Path) -> None:
    data = make(worlds=1)
    write_report(data, tmp_path, ReportConfig(examples=1, bootstrap=100))
    page = (tmp_path / "report.html").read_text()
    assert "Read numbers.\n  Keep the even ones." in page
    for writer in ("student", "teacher"):
        assert re.search(rf'<span class="{writer}" title="{writer}, \d+ tokens">', page)
    assert page.count('<details class="example"') == 1
    assert page.count("<article>") == 3


def test_examples_come_from_every_world_in_turn(tmp_path: Path) -> None:
    write_report(make(worlds=3), tmp_path, ReportConfig(examples=4, bootstrap=100))
    page = (tmp_path / "report.html").read_text()
    found = re.findall(r"Question \d+ <code>(\S+)</code>", page)
    assert found == ["w0-q0", "w1-q0", "w2-q0", "w0-q1"]


def test_drops_and_provenance_are_on_the_page(tmp_path: Path) -> None:
    data = make(worlds=1)
    write_report(data, tmp_path, CONFIG)
    page = (tmp_path / "report.html").read_text()
    for what, count in data.drops.items():
        assert f"<td>{what}</td><td>{count}</td>" in page
    assert "<td>seeds.sft</td><td>0, 1, 2</td>" in page
    for model in data.models:
        assert model.artifact in page


def test_rows_are_json_that_the_page_repeats(tmp_path: Path) -> None:
    write_report(make(worlds=1), tmp_path, CONFIG)
    page = (tmp_path / "report.html").read_text()
    for row in json.loads((tmp_path / "results.json").read_text()):
        assert f"<td>{row['method']}</td>" in page
        assert f"{100 * row['pass_at_1']:.1f} [{100 * row['ci95'][0]:.1f}" in page
