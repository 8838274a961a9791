"""What of channels can be configured, and what cannot be meant."""

from typing import Any

import msgspec
import pytest

from traco.node.configuration import ConfigurationInvalid, configure

A, B = "aa" * 16, "bb" * 16


def configured(**channels: Any) -> Any:
    return configure(msgspec.json.encode({"channels": channels}), {}).config.channels


def test_no_channel_business_is_done_unless_it_is_wanted() -> None:
    assert configured() == configured(enabled=False)
    assert configured().addresses() == ()


def test_others_dial_what_is_listened_on_unless_it_is_said_otherwise() -> None:
    listen = ["127.0.0.1:1", "[::1]:2"]
    assert configured(members=[A, B], listen=listen).addresses() == tuple(listen)
    dialled = ["a.example:1", "b.example:2"]
    assert configured(members=[A, B], listen=listen, address=dialled).addresses() == tuple(dialled)


@pytest.mark.parametrize(
    ("channels", "problem"),
    [
        ({"members": [A, A]}, "has a member twice"),
        ({"members": [A, B], "listen": ["127.0.0.1:1"]}, "one host:port for each of channels.members"),
        ({"listen": ["127.0.0.1:1", "127.0.0.1:2"]}, "one host:port for each of channels.members"),
        ({"members": [A, B], "listen": ["127.0.0.1:1", "127.0.0.1:1"]}, "an address twice"),
        ({"address": ["127.0.0.1:1"]}, "one host:port for each of channels.listen"),
        ({"listen": ["127.0.0.1"]}, "each is host:port"),
        ({"members": ["x"]}, "channels.members"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(channels: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=problem):
        configured(**channels)
