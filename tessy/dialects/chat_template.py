"""What a chat template takes, read from its own source.

A template ignores an argument that it does not know, and some write today's date into the prompt:
the first would be lost in silence, the second would make every day another experiment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from tessy.errors import CheckpointError, ConfigError, nearest

DATE = "date"  # our argument for what a template asks the clock
_CLOCK = "strftime_now"
# Not the user's to set: what the renderer passes, besides the tokenizer's own `*_token`.
_RENDERER = {"messages", "tools", "documents", "add_generation_prompt", "raise_exception", _CLOCK}


def read_source(folder: Path) -> str:
    """The chat template of the checkpoint in `folder`; empty if it has none.

    Raises:
        CheckpointError: its tokenizer_config.json is not JSON.
    """
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    settings = folder / "tokenizer_config.json"
    try:
        found = json.loads(settings.read_text(encoding="utf-8")).get("chat_template", "")
    except ValueError as error:
        raise CheckpointError(f"{settings} is not JSON ({error})", "copy it there again") from error
    return (
        found if isinstance(found, str) else default_of({t["name"]: t["template"] for t in found})
    )


def default_of(named: Mapping[str, str]) -> str:
    """The template to render with, of a tokenizer that has several."""
    return named.get("default", "")


def render_arguments(source: str, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments to render a template with, of those that the configuration gives.

    Args:
        source: the template.
        given: texts, numbers or booleans by name. `date` (2025-08-05) stands for the clock of a
            template that writes the current date.
        where: whose template it is, for messages.

    Raises:
        ConfigError: the template has no such argument, or needs a date that is not given.
        CheckpointError: there is no template, or it is malformed.
    """
    if not source:
        raise CheckpointError(
            f"{where} has no chat template", "add the family's chat_template.jinja to its folder"
        )
    known = arguments(source, where)
    for name in given:
        if name not in known:
            raise ConfigError(
                f"the chat template of {where} takes no argument {name!r}", nearest(name, known)
            )
    if DATE not in known:
        return dict(given)
    if DATE not in given:
        raise ConfigError(
            f"the chat template of {where} writes today's date into every prompt",
            "fix it in the model's template, as in {date: 2025-08-05}",
        )
    try:
        day = datetime.fromisoformat(str(given[DATE]))
    except ValueError:
        raise ConfigError(
            f"date={given[DATE]!r} for the chat template of {where} is no date",
            "write it as 2025-08-05",
        ) from None
    return {k: v for k, v in given.items() if k != DATE} | {_CLOCK: day.strftime}


@cache
def arguments(source: str, where: str) -> frozenset[str]:
    """Names of the arguments that a template reads.

    Raises:
        CheckpointError: the template is malformed.
    """
    from jinja2 import Environment, TemplateError, meta, nodes

    # `generation` is a tag of transformers, which marks what is trained on.
    plain = re.sub(r"\{%-?\s*(?:end)?generation\s*-?%\}", "", source)
    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(plain)
    except TemplateError as error:
        raise CheckpointError(
            f"the chat template of {where} is malformed ({error})", "copy it there again"
        ) from error
    read = meta.find_undeclared_variables(tree)
    # Names that the template sets on one branch count as read; they are arguments only if it
    # asks whether they were given.
    assigned = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    asked = {
        test.node.name
        for test in tree.find_all(nodes.Test)
        if test.name == "defined" and isinstance(test.node, nodes.Name)
    }
    names = read - (assigned - asked) - _RENDERER
    found = {name for name in names if not name.endswith("_token")}
    return frozenset(found | {DATE} if _CLOCK in read else found)
