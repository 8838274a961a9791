"""What of channels can be configured, and what cannot be meant."""

import os
from typing import Any

import msgspec
import pytest

from traco.node.channels.settings import executor_count
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
        ({"processes": -1}, "channels.processes"),
        ({"processes": 65}, "channels.processes"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(channels: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=problem):
        configured(**channels)


@pytest.mark.parametrize(("cores", "count"), [(1, 0), (2, 0), (3, 0), (4, 1), (8, 2), (16, 4), (64, 4)])
def test_channels_are_executed_in_processes_of_their_own_where_cores_are_to_spare(
    cores: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert executor_count(configured().processes) == count
    assert executor_count(configured(processes=3).processes) == 3
    assert executor_count(configured(processes=0).processes) == 0
