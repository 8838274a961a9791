"""The explorer's words: both languages say everything, and every sentence speaks of fields that there are."""

import re
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from traco.kernel.registry import tag_of
from traco.modules.composition import compose

EXPLORER = files("traco.node").joinpath("explorer")
LANGUAGES = ("en", "zh")
REGISTRY = compose()
KINDS = {tag_of(kind): kind for kind in (*REGISTRY.handlers, *REGISTRY.events)}


def words(language: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = msgspec.json.decode(
        EXPLORER.joinpath("words", f"{language}.json").read_bytes()
    )
    return found


def scripts() -> str:
    pages = [*EXPLORER.joinpath("pages").iterdir(), *EXPLORER.iterdir()]
    return "\n".join(page.read_text() for page in pages if page.name.endswith(".js"))


def fields_of(kind: Any) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_instruction_and_event_has_a_sentence(language: str) -> None:
    assert sorted(KINDS.keys() - words(language)["sentences"].keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_of_an_instruction_or_event(language: str) -> None:
    assert sorted(words(language)["sentences"].keys() - KINDS.keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_speak_of_fields_that_there_are(language: str) -> None:
    unknown = {
        tag: names - fields_of(KINDS[tag])
        for tag, text in words(language)["sentences"].items()
        if (names := set(re.findall(r"\{(\w+)\}", text))) - fields_of(KINDS[tag])
    }
    assert unknown == {}


def test_both_languages_have_the_same_keys() -> None:
    english, chinese = words("en"), words("zh")
    assert {name: sorted(group) for name, group in english.items()} == {
        name: sorted(group) for name, group in chinese.items()
    }


def test_the_pages_say_only_words_that_there_are() -> None:
    said = set(re.findall(r'\bsay\("(\w+)"', scripts()))
    assert sorted(said - words("en")["page"].keys()) == []


def test_every_word_of_the_pages_is_said() -> None:
    text = scripts()
    unsaid = [key for key in words("en")["page"] if f'"{key}"' not in text and not key.startswith("theme_")]
    made_up = {"receipt_none", "genesis_none", "receipt_file", "genesis_file"}
    assert sorted(set(unsaid) - made_up) == []
