"""The limits in a channel's terms, as people set them: ``--limit answer_ms=60000``."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from traco.cli.problems import CommandProblem, ExitCode
from traco.client.forms import from_form, to_form
from traco.modules.channel.parts import Limits

NAMES: Final = Limits.__struct_fields__

LimitOption = Annotated[
    list[str],
    typer.Option(
        "--limit", metavar="NAME=VALUE", help=f"How long or how much, in place of what is usual: {', '.join(NAMES)}. Repeatable."
    ),
]  # fmt: skip


def limits_of(given: Sequence[str], before: Limits) -> Limits:
    """``before`` with what is given in place of it. Raises ``CommandProblem``, ``FormInvalid``."""
    named: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in NAMES or not value.isdecimal() or len(value) > 20:
            raise CommandProblem(
                ExitCode.USAGE, "usage.invalid",
                f"--limit wants NAME=VALUE with a whole number and one of the names {', '.join(NAMES)}, not {text[:96]}",
            )  # fmt: skip
        named[name] = int(value)
    made: Limits = from_form(Limits, {**to_form(before), **named})
    return made
