import pytest

from traco.demo.stage import DemoFailed, Stage, expect, money, shown, until


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        (10_324_620, 2, "103,246.20 X"),
        (182_500_000, 0, "182,500,000 X"),
        (5, 3, "0.005 X"),
        (-500, 2, "-5.00 X"),
        (-1, 2, "-0.01 X"),
        (0, 2, "0.00 X"),
    ],
)
def test_amounts_are_shown_as_people_write_them(amount: int, decimals: int, text: str) -> None:
    assert money(amount, "X", decimals) == text


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert shown("a\x1b[31mb\nc\udcffd é 株") == "a\ufffd[31mb\ufffdc\ufffdd é 株"


def test_brackets_in_files_are_text_and_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    stage.step("[red]title[/red]")
    stage.say("[bold]words[/bold]")
    stage.table(("file",), [("[red]cell[/red]",)])
    assert capsys.readouterr().out.count("[/") == 3


def test_a_long_line_goes_on_below_itself(capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage()
    stage.say("word " * 60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("       word") and len(line) <= 118 for line in lines)


def test_a_claim_that_does_not_hold_fails_the_demonstration() -> None:
    with pytest.raises(DemoFailed, match="water flows up"):
        expect(False, "water flows up")


def test_what_is_waited_for_is_given_as_soon_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traco.demo.stage.LOOK_SECONDS", 0.0)
    answers = iter([None, "", "there", "later"])
    assert until(lambda: next(answers), 60.0, "something comes") == "there"


def test_what_does_not_come_in_time_fails_the_demonstration() -> None:
    with pytest.raises(DemoFailed, match="rain comes"):
        until(lambda: None, 0.0, "rain comes")
