"""The glossary says what the explorer says, and each word once."""

import re
from collections import Counter
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "glossary.md"
WORDS = ROOT / "src" / "traco" / "node" / "explorer" / "words"
ROW = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    """English, Chinese, meaning."""
    return [row for row in ROW.findall(PAGE.read_text()) if row[0] not in ("English", "---")]


def explorer() -> dict[str, set[str]]:
    """The Chinese words of the explorer for an English word, by its texts and by its keys."""
    english, chinese = (msgspec.json.decode((WORDS / f"{name}.json").read_bytes()) for name in ("en", "zh"))
    found: dict[str, set[str]] = {}
    for part in ("page", "codes", "fields"):
        for key, word in chinese[part].items():
            for name in (key, str(english[part][key])):
                found.setdefault(name.lower().replace("_", " "), set()).add(word)
    return found


def test_the_chinese_words_are_those_of_the_explorer() -> None:
    known = explorer()
    compared = [(english, chinese) for english, chinese, _ in rows() if english.lower() in known]
    assert len(compared) > 50
    assert [
        (english, chinese, known[english.lower()])
        for english, chinese in compared
        if chinese not in known[english.lower()]
    ] == []


def test_each_word_stands_once() -> None:
    assert [word for word, number in Counter(english for english, _, _ in rows()).items() if number > 1] == []


def test_every_word_has_a_meaning_and_a_chinese_word() -> None:
    assert len(rows()) > 80
    assert [english for english, chinese, _ in rows() if not re.search(r"[\u4e00-\u9fff]", chinese)] == []
