"""A channel by the command line, on a node that does the channel business of three members, in real processes."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from support.channel_lines import ChannelPlace, accepts, done
from support.channel_town import MEMBERS, make_members
from support.command_line import PASSPHRASE, CommandLine, Printed
from support.live_node import LiveNode, free_port
from support.running import wait_until
from traco.cli.problems import ExitCode
from traco.client.forms import to_form
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import (
    CreateInstrument,
    InstrumentKind,
    Issue,
    Transfer,
    instrument_id,
)
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import HealthConfig, MetricsConfig, NodeConfig

MARKER = b"planted marker of a payment"


class Place(ChannelPlace):
    """A node, and a channel of bank and broker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.instrument = instrument_id(self.ids["bank"], "NOTE")
        self.channel = ""
        self.scrape = free_port()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with started(tmp_path_factory.mktemp("channels"), 0) as made:
        yield made


@contextmanager
def started(folder: Path, processes: int) -> Iterator[Place]:
    """A node that runs, with so many processes that execute channels."""
    made = Place(folder)
    members = tuple(each.hex() for each in made.ids.values())
    hosted = ChannelsConfig(enabled=True, members=members, processes=processes)
    config = NodeConfig(
        port=made.port, channels=hosted, auditors=(made.ids["outsider"].hex(),), metrics=MetricsConfig(port=made.scrape),
        health=HealthConfig(stall_seconds=2),
    )  # fmt: skip
    make_members(made.directory, config=config, passphrase=PASSPHRASE)
    with made.at_home():
        node = LiveNode(made.directory, PASSPHRASE)
        try:
            made.give_names()
            yield made
        finally:
            node.kill()


@pytest.fixture
def traco(place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return place.line(monkeypatch, capfd)


def send(traco: CommandLine, place: Place, name: str, *instructions: Instruction) -> Any:
    return place.send(traco, place.channel, name, *instructions)


def test_members_take_their_seats_and_open_a_channel(traco: CommandLine, place: Place) -> None:
    for name in MEMBERS:
        seated = done(traco("channel", "seat", place.directory, "--as", f"@{name}", "--json"))
        assert (seated["seat"], seated["status"]) == (place.ids[name].hex(), "final")
    opening = ("channel", "open", "--member", "@bank", "--member", "@broker", "--as", "@bank", "--json")
    printed: list[Printed] = []

    def opened() -> bool:  # the node begins when the last keys are there
        printed[:] = [traco(*opening)]
        assert printed[0].code == 0 or printed[0].problem["code"] == "channels.away"
        return printed[0].code == 0

    wait_until(opened)
    place.channel = done(printed[0])["channel"]
    for name in ("bank", "broker"):
        wait_until(partial(accepts, traco, place.channel, name))
    rows = done(traco("channel", "list", "--as", "@broker", "--json"))["items"]
    assert [(row["id"], row["status"], row["role"]) for row in rows] == [(place.channel, "open", "member")]


def test_a_payment_is_confirmed(traco: CommandLine, place: Place) -> None:
    for name in ("bank", "broker"):
        send(traco, place, name, place.opening(name))
    bank = place.ids["bank"]
    send(
        traco,
        place,
        "bank",
        CreateInstrument(bank, "NOTE", InstrumentKind.SECURITY, None, 2, bytes(32), (bank,)),
    )
    send(traco, place, "bank", Issue(bank, place.instrument, place.account("bank"), 1_000, b""))
    paid = send(
        traco,
        place,
        "bank",
        Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 300, MARKER),
    )
    assert paid["status"] == "confirmed"
    asking = (place.channel, paid["transaction"], "--as", "@broker", "--json")
    shown = done(traco("channel", "status", *asking))
    assert [(event["type"], event["amount"]) for event in shown.pop("events")] == [("holding.moved/1", 300)]
    assert shown == {
        "id": paid["transaction"], "status": "confirmed", "ordinal": paid["ordinal"], "leaf": paid["leaf"], "failure": None,
    }  # fmt: skip
    fields = (f"instrument={place.instrument.hex()}", f"account={place.account('broker').hex()}")
    held = done(traco("channel", "query", place.channel, "holding.get", *fields, "--as", "@broker", "--json"))
    assert held["answer"]["available"] == 300


def test_a_payment_is_proven_to_an_outsider_by_a_file_and_the_genesis(
    traco: CommandLine, place: Place
) -> None:
    bank, genesis = place.ids["bank"], place.directory / "genesis.json"
    one = Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 1, b"")
    paid = send(traco, place, "bank", one)["transaction"]
    file = place.folder / "payment.receipt"
    made = done(traco("channel", "receipt", place.channel, paid, "--output", file, "--as", "@bank", "--json"))
    assert (made["channel"], made["transaction"], made["outcome"]) == (place.channel, paid, "success")
    proven = done(traco("verify", file, "--genesis", genesis, "--json"))
    assert (proven["channel"], proven["transaction"]) == (place.channel, paid)
    altered = bytearray(file.read_bytes())
    altered[len(altered) // 2] ^= 1
    file.write_bytes(altered)
    assert traco("verify", file, "--genesis", genesis, "--json").code == ExitCode.NEGATIVE


def test_a_rejected_payment_ends_with_the_ledgers_code(traco: CommandLine, place: Place) -> None:
    bank = place.ids["bank"]
    too_much = Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 10**6, b"")
    file = place.folder / "too_much.json"
    file.write_bytes(msgspec.json.encode(to_form(too_much)))
    printed = traco("channel", "submit", place.channel, file, "--as", "@bank", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REJECTED, "holding.insufficient")


def test_a_member_outside_gets_hashes_only_even_as_an_auditor(traco: CommandLine, place: Place) -> None:
    for command in (
        ("show", place.channel), ("missing", place.channel),
        ("query", place.channel, "holding.get", f"instrument={place.instrument.hex()}", f"account={place.account('broker').hex()}"),
        ("status", place.channel, "12" * 32),
    ):  # fmt: skip
        printed = traco("channel", *command, "--as", "@outsider", "--json")
        assert printed.code == ExitCode.NEGATIVE
    assert done(traco("channel", "list", "--as", "@outsider", "--json")) == {"items": [], "offers": []}
    everything = b"".join(path.read_bytes() for path in place.directory.iterdir() if path.is_file())
    kept_for_others = b"".join(
        path.read_bytes() for path in (place.directory / "channels").glob("custody.db*")
    )
    assert bytes.fromhex(place.channel) in everything
    for secret in (MARKER, b"NOTE", place.instrument, place.account("bank")):
        assert secret not in everything + kept_for_others
    replica = b"".join(
        path.read_bytes() for path in (place.directory / "channels").glob(f"{place.channel}.db*")
    )
    assert MARKER in replica


def test_the_channels_process_comes_back_with_everything(traco: CommandLine, place: Place) -> None:
    before = done(traco("channel", "show", place.channel, "--as", "@bank", "--json"))
    (process,) = processes_called("traco-channels", place)
    os.kill(process, signal.SIGKILL)
    shown: list[Any] = []

    def is_back() -> bool:
        printed = traco("channel", "show", place.channel, "--as", "@bank", "--json")
        shown[:] = [printed.document] if printed.code == 0 else []
        return bool(shown)

    wait_until(is_back)
    assert shown[0]["executed"] >= before["executed"]
    bank = place.ids["bank"]
    again = Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 1, b"again")
    assert send(traco, place, "bank", again)["status"] == "confirmed"
    assert "ended with code -9" in (place.directory / "node.log").read_text()


def test_a_rebuild_executes_the_channel_again_and_reports_that_it_is_complete(
    traco: CommandLine, place: Place
) -> None:
    report = done(traco("channel", "rebuild", place.channel, "--as", "@bank", "--json"))
    shown = done(traco("channel", "show", place.channel, "--as", "@bank", "--json"))
    assert (report["status"], report["agrees"], report["missing"], report["wrong"]) == (
        "complete",
        True,
        [],
        [],
    )
    assert (report["entries"], report["executed"]) == (shown["stream"]["entries"], shown["executed"])
    assert report["own_digest"] == shown["stream"]["digest"]


def test_a_disclosed_period_is_audited_by_whoever_has_a_node_and_no_key(
    traco: CommandLine, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "period.disclosure"
    disclosing = ("channel", "disclose", place.channel, "--output", file, "--as", "@bank", "--json")
    made = done(traco(*disclosing, "--first-point", "3"))
    assert file.stat().st_mode & 0o777 == 0o600
    auditing = (
        "channel",
        "audit",
        file,
        "--dir",
        place.directory,
        "--genesis",
        place.directory / "genesis.json",
        "--json",
    )
    report = done(traco(*auditing))
    assert (report["agrees"], report["difference"]) == (True, None)
    assert (report["first_point"], report["last_point"]) == (3, made["last_point"])
    assert report["executed"]["transactions"] > 0
    assert place.ids["bank"].hex() in report["parties"]
    assert traco(*disclosing).problem["code"] == "file.unusable"  # nothing is overwritten
    altered = bytearray(file.read_bytes())
    altered[len(altered) // 2] ^= 1
    file.write_bytes(altered)
    assert traco(*auditing).code == ExitCode.INPUT
    printed = traco(
        "channel", "disclose", place.channel, "-o", tmp_path / "other", "--as", "@outsider", "--json"
    )
    assert printed.code == ExitCode.NEGATIVE
    assert not (tmp_path / "other").exists()


def test_the_total_of_an_instrument_is_proven_to_whoever_has_a_node(
    traco: CommandLine, place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "note.total"
    done(traco("channel", "total", place.instrument.hex(), "-o", file, "--as", "@bank", "--json"))
    assert file.stat().st_mode & 0o777 == 0o600
    report = done(traco("channel", "audit", file, "--dir", place.directory, "--json"))
    assert (report["total"], [row["outstanding"] for row in report["ledgers"]]) == (1_000, [0, 1_000])
    altered = bytearray(file.read_bytes())
    altered[-40] ^= 1
    file.write_bytes(altered)
    printed = traco("channel", "audit", file, "--dir", place.directory, "--json")
    assert (printed.code, printed.problem["code"].split(".")[0]) == (ExitCode.INPUT, "total")


def test_another_x25519_key_is_taken_into_use_without_a_restart(traco: CommandLine, place: Place) -> None:
    done(traco("channel", "seat", place.directory, "--renew-box", "--as", "@bank", "--json"))
    printed: list[Printed] = []

    def offered() -> bool:
        printed[:] = [traco("channel", "offer", place.channel, "--as", "@bank", "--json")]
        return printed[0].code == 0

    wait_until(offered)
    for name in ("bank", "broker"):
        wait_until(partial(accepts, traco, place.channel, name))
    bank = place.ids["bank"]
    again = Transfer(bank, place.instrument, place.account("bank"), place.account("broker"), 1, b"new key")
    assert send(traco, place, "bank", again)["status"] == "confirmed"
    assert done(traco("channel", "show", place.channel, "--as", "@bank", "--json"))["channel"]["epoch"] == 2


def test_who_runs_the_node_sees_how_channels_are_and_nothing_of_what_is_in_them(
    traco: CommandLine, place: Place
) -> None:
    def metrics() -> str:
        return httpx.get(f"http://127.0.0.1:{place.scrape}/metrics", timeout=60).text

    wait_until(lambda: 'traco_channels{status="open"} 1.0\n' in metrics())
    text = metrics()
    for shown in (
        "traco_channels_up 1.0",
        "traco_channels_unconfirmed_points 0.0",
        "traco_channels_outdated_keys 0.0",
    ):
        assert f"{shown}\n" in text
    assert 'traco_memory_bytes{process="channels"}' in text
    for hidden in (
        MARKER.decode(),
        MARKER.hex(),
        "NOTE",
        place.instrument.hex(),
        place.account("bank").hex(),
    ):
        assert hidden not in text


def test_what_is_wrong_with_channels_is_a_warning_of_a_node_that_stays_ready(
    traco: CommandLine, place: Place
) -> None:
    def warnings() -> list[str]:
        found = done(traco("node", "status", "--directory", place.directory, "--json"))
        assert found["ready"]
        return [each["code"] for each in found["warnings"]]

    assert warnings() == []
    done(traco("channel", "seat", place.directory, "--renew-box", "--as", "@bank", "--json"))
    wait_until(lambda: warnings() == ["channels.key_outdated"])
    (process,) = processes_called("traco-channels", place)
    os.kill(process, signal.SIGSTOP)
    try:
        wait_until(lambda: warnings() == ["channels.away"])
    finally:
        os.kill(process, signal.SIGCONT)
    wait_until(lambda: warnings() == ["channels.key_outdated"])


def processes_called(name: str, place: Place) -> list[int]:
    """The processes of a node with this name."""
    found = list[int]()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            if (path / "comm").read_text().strip() == name and _is_of(int(path.name), place):
                found.append(int(path.name))
    return found


def _is_of(process: int, place: Place) -> bool:
    """Whether the node is among those that started a process."""
    while process > 1:
        if str(place.directory) in Path(f"/proc/{process}/cmdline").read_text():
            return True
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_members_vote_by_command_and_a_closed_channel_takes_no_business(
    traco: CommandLine, place: Place
) -> None:
    shown = done(traco("channel", "show", place.channel, "--as", "@bank", "--json"))
    through = str(shown["stream"]["confirmed"])
    done(traco("channel", "erase", place.channel, "--through", through, "--as", "@bank", "--json"))
    rows = done(traco("channel", "votes", place.channel, "--as", "@broker", "--json"))["ballots"]
    assert rows == [
        {
            "subject": "erase",
            "number": int(through),
            "members": [place.ids["bank"].hex()],
            "votes": 1,
            "needed": 2,
        }
    ]
    again = traco("channel", "erase", place.channel, "--through", through, "--as", "@bank", "--json")
    assert (again.code, again.problem["code"]) == (ExitCode.REJECTED, "channel.voted_before")
    nothing = traco("channel", "void", place.channel, "1", "--as", "@bank", "--json")
    assert (nothing.code, nothing.problem["code"]) == (ExitCode.REJECTED, "channel.entry_unknown")
    open_yet = traco("channel", "resume", place.channel, "--as", "@outsider", "--json")
    assert (open_yet.code, open_yet.problem["code"]) == (ExitCode.REJECTED, "channel.not_suspended")
    for name in ("bank", "broker"):
        done(traco("channel", "close", place.channel, "--as", f"@{name}", "--json"))
    shown = done(traco("channel", "show", place.channel, "--as", "@bank", "--json"))
    assert shown["channel"]["status"] == "closed"
