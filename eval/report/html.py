"""`report.html`: one file that opens without a network.

The page's Content-Security-Policy forbids every request and allows exactly our own style sheet
and script, by hash: even markup that slipped through escaping could not run.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path

from eval.report import background_html, markup, scores_html
from eval.report.data import ReportData
from eval.report.rows import Table

HERE = Path(__file__).parent


def page(data: ReportData, table: Table, n_examples: int) -> str:
    """The whole document of an experiment that compares methods."""
    body = "".join(
        [
            scores_html.header(data, table),
            scores_html.dial(table),
            scores_html.results(table),
            background_html.synthesized(data),
            markup.pair(scores_html.style(table), background_html.training(data)),
            background_html.who_wrote_what(data, n_examples),
            background_html.dropped(data),
            background_html.costs(data),
            background_html.provenance(data),
        ]
    )
    return document(data.experiment, body)


def document(title: str, body: str, images: bool = False) -> str:
    """A page that needs no other file; `images` allows those that are part of it."""
    style = (HERE / "page.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'" + ("; img-src data:" if images else "")
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: TESSY report</title>"
        f"<style>{style}</style></head>\n<body><main>{body}</main>"
        f"<script>{script}</script></body></html>\n"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
