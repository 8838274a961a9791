"""What is printed for people: texts that others wrote reach the terminal as text only."""

import pytest

from traco.cli.output import Output, plain, write_problem
from traco.cli.problems import ExitCode, Problem

HOSTILE = "Bank\x1b]0;owned\x07\x1b[2J\x9b2J\u202eknab\x00"


@pytest.mark.parametrize("shown", ["record", "rows", "problem"])
def test_a_text_of_others_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str], shown: str) -> None:
    if shown == "record":
        Output(False).record({"name": HOSTILE, "parts": {"deep": [HOSTILE, {}]}})
    elif shown == "rows":
        Output(False).rows("parties", [{"name": HOSTILE}], ["name"])
    else:
        write_problem(Problem("x.y", HOSTILE, ExitCode.NODE, {"transaction": HOSTILE}), as_json=False)
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert all(sign.isprintable() or sign == "\n" for sign in printed)
    assert r"Bank\x1b]0;owned\x07" in printed


def test_what_people_write_is_shown_as_it_is() -> None:
    for text in ("上海证券交易所", "Müller & Söhne GmbH", "two\nlines", ""):
        assert plain(text) == text
