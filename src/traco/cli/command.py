"""How a command is declared: its own parameters, and the options that all commands of its kind share.

    @command(app, "show", examples=["traco party show @bank-a"])
    def show(session: Reading, party: PartyArgument) -> None: ...

The type of the first parameter says which shared options there are; the command gets an object of that type made of
their values. Errors are raised, never printed: ``main`` turns them into a problem and an exit code.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import typer

from traco.cli.output import Output
from traco.cli.problems import CommandProblem, Problem, problem_of

DEFAULT_HOME = Path("~/.traco")


class Shared(NamedTuple):
    """An option that several commands share."""

    name: str
    annotation: Any
    default: Any


JSON = Shared(
    "json",
    Annotated[bool, typer.Option("--json", help="Print one JSON document, and problems as one too.")],
    False,
)
HOME = Shared(
    "home",
    Annotated[
        Path,
        typer.Option(
            "--home",
            envvar="TRACO_HOME",
            help="Folder of your names and key stores.",
            show_default=str(DEFAULT_HOME),
        ),
    ],
    DEFAULT_HOME,
)


class Local:
    """What a command without a node has: an output."""

    OPTIONS: ClassVar[tuple[Shared, ...]] = (JSON,)

    def __init__(self, *, json: bool) -> None:
        self.output = Output(json)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, Exception) and not isinstance(error, CommandProblem):
            problem = problem_of(error)
            if problem is not None:
                raise CommandProblem(
                    problem.exit_code, problem.code, self.wording(problem), problem.fields
                ) from error

    def wording(self, problem: Problem) -> str:
        """What a problem's text becomes for whoever reads it."""
        return problem.detail

    def close(self) -> None:
        """Release what the session opened."""


Function = Callable[..., None]


def command(app: typer.Typer, name: str, *, examples: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Declare a command of ``app``. Its help is the function's docstring, followed by the examples."""

    def declare(function: Function) -> Function:
        first, *own = inspect.signature(function, eval_str=True).parameters.values()
        session: type[Local] = first.annotation
        shared = [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=option.default,
                annotation=option.annotation,
            )
            for option in session.OPTIONS
        ]

        def run(**values: Any) -> None:
            with session(**{option.name: values.pop(option.name) for option in session.OPTIONS}) as opened:
                function(opened, **values)

        functools.update_wrapper(run, function)
        parameters = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *shared]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, help=_help(function, examples))(run)
        return function

    return declare


def _help(function: Function, examples: Sequence[str]) -> str:
    text = inspect.cleandoc(function.__doc__ or "")
    if not examples:
        return text
    return text + "\n\nExamples:\n\n" + "\n\n".join(f"  {example}" for example in examples)


def group(help_text: str) -> typer.Typer:
    """A group of commands, such as ``traco party``."""
    made = single(help_text)
    made.callback()(_nothing)  # without a callback a group of one command would become that command
    return made


def single(help_text: str) -> typer.Typer:
    """A command at the top, such as ``traco verify``, to be declared with the same name."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
        rich_markup_mode=None,
        add_completion=False,  # the whole command has it
    )


def _nothing() -> None:
    return
