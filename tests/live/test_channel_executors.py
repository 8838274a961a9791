"""Scenes of ``test_channels`` on a node whose channels are executed in two processes of their own, and what happens when these die."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from live import test_channels as scenes
from live.test_channels import Place, processes_called, send, started
from support.channel_lines import done
from support.command_line import CommandLine
from support.running import wait_until
from traco.modules.holding.messages import Transfer

traco = scenes.traco


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with started(tmp_path_factory.mktemp("executors"), 2) as made:
        yield made


def available(traco: CommandLine, place: Place, name: str) -> int:
    fields = (f"instrument={place.instrument.hex()}", f"account={place.account(name).hex()}")
    held = done(
        traco("channel", "query", place.channel, "holding.get", *fields, "--as", f"@{name}", "--json")
    )
    return int(held["answer"]["available"])


def test_channels_are_as_where_one_process_does_it_all(
    traco: CommandLine, place: Place, tmp_path: Path
) -> None:
    scenes.test_members_take_their_seats_and_open_a_channel(traco, place)
    scenes.test_a_payment_is_confirmed(traco, place)
    scenes.test_a_rejected_payment_ends_with_the_ledgers_code(traco, place)
    scenes.test_the_total_of_an_instrument_is_proven_to_whoever_has_a_node(traco, place, tmp_path)
    scenes.test_a_rebuild_executes_the_channel_again_and_reports_that_it_is_complete(traco, place)


def test_an_executor_that_is_killed_is_started_again_and_the_channels_process_is_not(
    traco: CommandLine, place: Place
) -> None:
    (channels,) = processes_called("traco-channels", place)
    killed = processes_called("traco-executor", place)
    assert len(killed) == 1  # there is one channel: the other process was not needed
    before = available(traco, place, "broker")
    os.kill(killed[0], signal.SIGKILL)
    accounts = (place.account("bank"), place.account("broker"))
    again = Transfer(place.ids["bank"], place.instrument, *accounts, 7, b"after a death")
    assert send(traco, place, "bank", again)["status"] == "confirmed"
    assert available(traco, place, "broker") == before + 7
    assert processes_called("traco-channels", place) == [channels]
    assert processes_called("traco-executor", place) != killed
    assert (
        f"an executor of channels ({killed[0]}) ended with code -9"
        in (place.directory / "node.log").read_text()
    )


def test_executors_end_with_the_channels_process(traco: CommandLine, place: Place) -> None:
    (channels,) = processes_called("traco-channels", place)
    before = processes_called("traco-executor", place)
    os.kill(channels, signal.SIGKILL)
    wait_until(lambda: not set(before) & set(processes_called("traco-executor", place)))
    bank = place.ids["bank"]
    again = Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 1, b"again")

    def is_back() -> bool:
        return traco("channel", "show", place.channel, "--as", "@bank", "--json").code == 0

    wait_until(is_back)
    assert send(traco, place, "bank", again)["status"] == "confirmed"
