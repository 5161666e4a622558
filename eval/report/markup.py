"""The few blocks that the page is built from. Titles and captions are markup, data is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def section(title: str, lead: str, content: str, anchor: str) -> str:
    return f'<section id="{anchor}"><h2>{title}</h2><p class="lead">{lead}</p>{content}</section>'


def figure(drawing: str, caption: str, legend: str = "", cls: str = "") -> str:
    opening = f'<figure class="{cls}">' if cls else "<figure>"
    return f"{opening}{legend}{drawing}<figcaption>{caption}</figcaption></figure>"


def legend(entries: Mapping[str, str]) -> str:
    keys = "".join(
        f'<span class="key"><i class="{cls}"></i>{escape(said)}</span>'
        for cls, said in entries.items()
    )
    return f'<p class="legend">{keys}</p>'


def plain_table(titles: list[str], rows: list[list[str]], cls: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(t)}</th>' for t in titles)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    header = f"<thead><tr>{head}</tr></thead>" if any(titles) else ""
    body = f"{header}<tbody>{lines}</tbody>"
    return f'<div class="scroll"><table class="plain {cls}">{body}</table></div>'


def sortable(titles: list[str], rows: list[list[str]]) -> str:
    """A table whose titles sort it (page.js)."""
    table = plain_table(titles, rows)
    return table.replace('<table class="plain ">', '<table class="sortable">')


def pair(left: str, right: str) -> str:
    """Two sections side by side where there is room."""
    return f'<div class="pair">{left}{right}</div>' if left and right else left + right
