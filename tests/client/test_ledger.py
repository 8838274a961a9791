"""The synchronous face: it has the methods of the asynchronous client, and nothing of its own."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from traco.client.asynchronous import AsyncLedgerClient, AsyncParty
from traco.client.ledger import Events, LedgerClient, Party
from traco.client.streams import EventStream

FACES = [(LedgerClient, AsyncLedgerClient), (Party, AsyncParty)]
AT_THE_FACE_ONLY = {"network"}  # short for network_id(), which cannot be a property where it must be awaited


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


@pytest.mark.parametrize(("face", "client"), FACES)
def test_both_have_the_same_methods(face: type, client: type) -> None:
    assert set(methods(face)) == set(methods(client))


@pytest.mark.parametrize(("face", "client"), FACES)
def test_both_have_the_same_properties(face: type, client: type) -> None:
    def properties(kind: type) -> set[str]:
        return {name for name, value in vars(kind).items() if isinstance(value, property)}

    assert properties(face) - AT_THE_FACE_ONLY == properties(client)


def plain(annotation: Any) -> str:
    """An annotation as text, with the names of the face."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"[a-z_]+(\.[a-z_]+)*\.(?=[A-Z])", "", text).replace("'", "")
    for there, here in (("AsyncIterator", "Iterator"), ("EventStream", "Events"), ("AsyncParty", "Party")):
        text = text.replace(there, here)
    return text


@pytest.mark.parametrize(
    ("face", "client", "name"), [(face, client, name) for face, client in FACES for name in methods(client)]
)
def test_a_method_has_the_same_parameters_and_result(face: type, client: type, name: str) -> None:
    here, there = inspect.signature(methods(face)[name]), inspect.signature(methods(client)[name])
    assert [
        (each.name, each.kind, each.default, plain(each.annotation)) for each in here.parameters.values()
    ] == [(each.name, each.kind, each.default, plain(each.annotation)) for each in there.parameters.values()]
    assert plain(here.return_annotation) == plain(there.return_annotation)


def test_both_are_made_with_the_same_options() -> None:
    here, there = inspect.signature(LedgerClient), inspect.signature(AsyncLedgerClient)
    assert [(each.name, each.kind, each.default) for each in here.parameters.values()] == [
        (each.name, each.kind, each.default) for each in there.parameters.values()
    ]


@pytest.mark.parametrize("name", sorted(methods(LedgerClient)))
def test_a_method_of_the_face_only_calls_the_client(name: str) -> None:
    lines = inspect.getsource(methods(LedgerClient)[name]).splitlines()
    assert "self._client." in "".join(lines) or name == "party"


def test_a_stream_of_the_face_has_the_position_of_the_stream() -> None:
    assert {"position", "close"} <= set(dir(Events)) & {*dir(EventStream), "position"}
