"""Settlements across channels by the command line: two parties, two channels, files between them; in real processes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.channel_lines import ChannelPlace, accepts, done
from support.channel_town import MEMBERS, make_members
from support.command_line import PASSPHRASE, CommandLine, Printed
from support.live_node import LiveNode
from support.running import wait_until
from support.town import salt
from traco.cli.problems import ExitCode
from traco.client.forms import to_form
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    instrument_id,
)
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import NodeConfig

TRADERS = ("bank", "broker")
GIVEN = {"bond": "bank", "cash": "broker"}  # the leg of each channel, and who gives in it


class Town(ChannelPlace):
    """A node that does the channel business of three members."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.channels: dict[str, str] = {}
        self.node: LiveNode | None = None

    def start(self, *hosted: str) -> None:
        """The node, which does the channel business of these."""
        members = tuple(self.ids[name].hex() for name in hosted)
        config = NodeConfig(port=self.port, channels=ChannelsConfig(enabled=True, members=members))
        if self.directory.exists():
            (self.directory / "node.json").write_bytes(msgspec.json.encode(config))
        else:
            make_members(self.directory, config=config, passphrase=PASSPHRASE)
        self.node = LiveNode(self.directory, PASSPHRASE)

    def stop(self) -> None:
        if self.node is not None:
            self.node.kill()

    def instrument(self, leg: str) -> bytes:
        return instrument_id(self.ids[GIVEN[leg]], leg.upper())


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    made = Town(tmp_path_factory.mktemp("deals"))
    with made.at_home():
        made.start(*MEMBERS)
        try:
            accounts = [(f"{name}-account", "account", made.account(name)) for name in TRADERS]
            made.give_names(*accounts, *((leg, "instrument", made.instrument(leg)) for leg in GIVEN))
            yield made
        finally:
            made.stop()


@pytest.fixture
def traco(town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return town.line(monkeypatch, capfd)


def opened(traco: CommandLine, town: Town, leg: str) -> None:
    """A channel of all with an instrument, of which one of them has 1,000.00."""
    members = [part for name in MEMBERS for part in ("--member", f"@{name}")]
    printed: list[Printed] = []

    def proposed() -> bool:  # two of three must agree, so that one may be silent
        printed[:] = [traco("channel", "open", *members, "--policy", "2", "--as", "@bank", "--json")]
        return printed[0].code == 0

    wait_until(proposed)
    channel = town.channels[leg] = done(printed[0])["channel"]
    for name in MEMBERS:
        wait_until(partial(accepts, traco, channel, name))
    for name in TRADERS:
        town.send(traco, channel, name, town.opening(name))
    giver, identity = town.ids[GIVEN[leg]], town.instrument(leg)
    created = CreateInstrument(giver, leg.upper(), InstrumentKind.SECURITY, None, 2, bytes(32), (giver,))
    issued = Issue(giver, identity, town.account(GIVEN[leg]), 100_000, b"")
    town.send(traco, channel, GIVEN[leg], created, issued)


def available(traco: CommandLine, town: Town, leg: str) -> list[int]:
    """What bank and broker have of the leg's instrument."""
    found = []
    for name in TRADERS:
        fields = (f"instrument={town.instrument(leg).hex()}", f"account={town.account(name).hex()}")
        asked = traco(
            "channel", "query", town.channels[leg], "holding.get", *fields, "--as", f"@{name}", "--json"
        )
        found.append(done(asked)["answer"]["available"])
    return found


def drafted(traco: CommandLine, town: Town, folder: Path, leg: str, amount: str, *more: str) -> Any:
    giver = GIVEN[leg]
    taker = next(name for name in TRADERS if name != giver)
    movement = f"@{giver}-account,@{taker}-account,@{leg},{amount}"
    folder.mkdir(exist_ok=True)
    return done(traco(
        "channel", "deal", "draft", town.channels[leg], "--move", movement, "--output", folder / f"{leg}.leg",
        *more, "--as", f"@{giver}", "--json",
    ))  # fmt: skip


def sealed(traco: CommandLine, folder: Path) -> None:
    """Terms of both legs, each signed and sealed by who gives in it."""
    for leg, giver in GIVEN.items():
        terms = ("--terms", folder / "deal.terms", "--as", f"@{giver}", "--json")
        done(traco("channel", "deal", "sign", folder / f"{leg}.leg", *terms))
        done(traco("channel", "deal", "seal", folder / f"{leg}.signed", *terms))


def agreed(traco: CommandLine, folder: Path, *when: str) -> None:
    legs = (folder / "bond.leg", folder / "cash.leg.public")
    done(traco("channel", "deal", "terms", *legs, *when, "--output", folder / "deal.terms", "--json"))


def test_two_channels_are_opened(traco: CommandLine, town: Town) -> None:
    for name in MEMBERS:
        done(traco("channel", "seat", town.directory, "--as", f"@{name}", "--json"))
    for leg in GIVEN:
        opened(traco, town, leg)
    assert [available(traco, town, leg) for leg in GIVEN] == [[100_000, 0], [0, 100_000]]


def test_delivery_against_payment_commits_in_both(traco: CommandLine, town: Town) -> None:
    folder = town.folder / "commits"
    drafted(traco, town, folder, "bond", "10.00")
    drafted(traco, town, folder, "cash", "9.50")
    agreed(traco, folder, "--minutes", "5")
    shown = traco(
        "channel", "deal", "show", folder / "bond.leg", "--terms", folder / "deal.terms", "--as", "@broker"
    )
    assert "10.00 BOND from @bank-account to @broker-account" in shown.out
    sealed(traco, folder)
    ordered = traco(
        "channel", "deal", "order", folder / "deal.terms", folder / "cash.sealed", folder / "bond.sealed", "--as", "@outsider", "--json",
        "--no-wait",
    )  # fmt: skip
    assert done(ordered)["status"] == "undecided"
    found = done(traco("channel", "deal", "status", folder / "deal.terms", "--as", "@broker", "--json"))
    assert (found["status"], found["reason"]) == ("committed", "held")
    assert [available(traco, town, leg) for leg in GIVEN] == [[99_000, 1_000], [950, 99_050]]


def test_a_leg_that_its_giver_cannot_pay_is_refused_before_anything_is_sent(
    traco: CommandLine, town: Town
) -> None:
    folder = town.folder / "poor"
    drafted(traco, town, folder, "bond", "10.00")
    drafted(traco, town, folder, "cash", "1000.00")
    agreed(traco, folder, "--minutes", "5")
    terms = ("--terms", folder / "deal.terms", "--as", "@broker", "--json")
    done(traco("channel", "deal", "sign", folder / "cash.leg", *terms))
    printed = traco("channel", "deal", "seal", folder / "cash.signed", *terms)
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "holding.insufficient")
    assert not (folder / "cash.sealed").exists()
    undecided = traco(
        "channel", "deal", "status", folder / "deal.terms", "--as", "@broker", "--json", "--no-wait"
    )
    assert (undecided.code, undecided.problem["code"]) == (ExitCode.NEGATIVE, "settlement.unknown")


def test_an_allocation_is_good_for_its_terms_alone(traco: CommandLine, town: Town) -> None:
    """The bank signed for 9.50 in cash. The broker drafts 0.01 and pairs that with the bank's allocation."""
    folder = town.folder / "cheat"
    drafted(traco, town, folder, "bond", "10.00")
    drafted(traco, town, folder, "cash", "9.50")
    agreed(traco, folder, "--minutes", "5")
    sealed(traco, folder)
    other = town.folder / "cheaper"
    drafted(traco, town, other, "cash", "0.01")
    legs = (folder / "bond.leg.public", other / "cash.leg")
    done(
        traco("channel", "deal", "terms", *legs, "--minutes", "5", "--output", other / "deal.terms", "--json")
    )
    as_broker = ("--terms", other / "deal.terms", "--as", "@broker", "--json")
    done(traco("channel", "deal", "sign", other / "cash.leg", *as_broker))
    done(traco("channel", "deal", "seal", other / "cash.signed", *as_broker))
    refusals = {
        "deal.leg_differs": ("sign", other / "cash.leg", "--terms", folder / "deal.terms"),
        "deal.other_terms": ("seal", folder / "bond.signed", "--terms", other / "deal.terms"),
    }
    for code, arguments in refusals.items():
        printed = traco("channel", "deal", *arguments, "--as", "@broker", "--json")
        assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, code)
    given = (folder / "bond.sealed", other / "cash.sealed")
    for terms in (folder / "deal.terms", other / "deal.terms"):
        printed = traco("channel", "deal", "order", terms, *given, "--as", "@broker", "--json")
        assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "deal.other_terms")
    assert [available(traco, town, leg) for leg in GIVEN] == [[99_000, 1_000], [950, 99_050]]


def test_what_is_on_the_root_settles_with_a_channel(traco: CommandLine, town: Town) -> None:
    broker = town.ids["broker"]
    file, folder = town.folder / "root.json", town.folder / "root"
    for name in TRADERS:
        party = town.ids[name]
        account = OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
        )
        file.write_bytes(msgspec.json.encode(to_form(account)))
        done(traco("tx", "send", file, "--as", f"@{name}", "--json"))
    identity = instrument_id(broker, "SHARE")
    created = CreateInstrument(broker, "SHARE", InstrumentKind.SECURITY, None, 0, bytes(32), (broker,))
    issued = Issue(broker, identity, town.account("broker"), 10, b"")
    file.write_bytes(msgspec.json.encode([to_form(each) for each in (created, issued)]))
    done(traco("tx", "send", file, "--as", "@broker", "--json"))
    drafted(traco, town, folder, "bond", "10.00")
    moving = ("--move", f"@broker-account,@bank-account,{identity.hex()},4", "--output", folder / "cash.leg")
    done(traco("channel", "deal", "draft", "root", *moving, "--as", "@broker", "--json"))
    agreed(traco, folder, "--minutes", "5")
    terms = ("--terms", folder / "deal.terms", "--json")
    done(traco("channel", "deal", "sign", folder / "bond.leg", *terms, "--as", "@bank"))
    done(traco("channel", "deal", "seal", folder / "bond.signed", *terms, "--as", "@bank"))
    done(traco("channel", "deal", "sign", folder / "cash.leg", *terms, "--as", "@broker"))
    legs = (folder / "bond.sealed", folder / "cash.sealed")
    found = done(traco("channel", "deal", "order", folder / "deal.terms", *legs, "--as", "@bank", "--json"))
    assert found["status"] == "committed"
    held = traco("holding", "show", town.account("bank").hex(), "--as", "@bank", "--json")
    assert [row["available"] for row in done(held)["holdings"]] == [4]
    assert available(traco, town, "bond") == [98_000, 2_000]


def test_who_acts_for_both_parties_settles_in_one_command(traco: CommandLine, town: Town) -> None:
    folder, before = town.folder / "at_once", [available(traco, town, leg) for leg in GIVEN]
    drafted(traco, town, folder, "bond", "1.00")
    drafted(traco, town, folder, "cash", "2.00")
    legs = (folder / "bond.leg", folder / "cash.leg")
    alone = traco("channel", "deal", "settle", *legs, "--as", "@bank", "--json")
    assert (alone.code, alone.problem["code"]) == (ExitCode.USAGE, "deal.signer_missing")
    found = done(traco("channel", "deal", "settle", *legs, "--also", "@broker", "--as", "@bank", "--json"))
    assert found["status"] == "committed"
    (bonds, cash), (bonds_now, cash_now) = before, [available(traco, town, leg) for leg in GIVEN]
    assert bonds_now == [bonds[0] - 100, bonds[1] + 100]
    assert cash_now == [cash[0] + 200, cash[1] - 200]


def test_why_a_channel_refused_a_leg_is_said_to_who_is_in_it(traco: CommandLine, town: Town) -> None:
    """The broker's cash is sealed for two settlements; the second one finds too little of it."""
    before = [available(traco, town, leg) for leg in GIVEN]
    folders = [town.folder / name for name in ("first", "second")]
    for folder in folders:
        drafted(traco, town, folder, "bond", "1.00")
        drafted(traco, town, folder, "cash", "600.00")
        agreed(traco, folder, "--minutes", "5")
        sealed(traco, folder)
    ordered = []
    for folder in folders:
        legs = (folder / "bond.sealed", folder / "cash.sealed")
        ordered.append(
            traco("channel", "deal", "order", folder / "deal.terms", *legs, "--as", "@broker", "--json")
        )
    assert [printed.code for printed in ordered] == [ExitCode.OK, ExitCode.NEGATIVE]
    assert ordered[1].document["reason"] == "refused"
    folder = folders[1]
    signed = ("--signed", folder / "cash.signed", "--signed", folder / "bond.signed")
    told = traco("channel", "deal", "status", folder / "deal.terms", *signed, "--as", "@broker", "--json")
    cash, bond = told.document["own_legs"]
    assert ("[holding.insufficient]" in cash, "held" in bond) == (True, True)
    assert available(traco, town, "bond") == [before[0][0] - 100, before[0][1] + 100]


def test_a_required_attester_that_is_silent_has_it_aborted_at_the_deadline_and_everything_released(
    traco: CommandLine, town: Town
) -> None:
    town.stop()
    town.start("bank", "broker")
    folder = town.folder / "silent"
    wait_until(lambda: traco("channel", "list", "--as", "@bank", "--json").code == 0)
    before = [available(traco, town, leg) for leg in GIVEN]
    drafted(traco, town, folder, "bond", "10.00", "--attester", "@outsider")
    drafted(traco, town, folder, "cash", "9.50")
    deadline = datetime.now(UTC) + timedelta(seconds=12)
    agreed(traco, folder, "--deadline", f"{deadline:%Y-%m-%dT%H:%M:%SZ}")
    sealed(traco, folder)
    legs = (folder / "bond.sealed", folder / "cash.sealed")
    ordered = traco(
        "channel", "deal", "order", folder / "deal.terms", *legs, "--as", "@bank", "--no-wait", "--json"
    )
    assert done(ordered)["status"] == "undecided"

    def is_set_aside() -> bool:
        return [available(traco, town, leg) for leg in GIVEN] == [
            [before[0][0] - 1_000, before[0][1]],
            [before[1][0], before[1][1] - 950],
        ]

    wait_until(is_set_aside)
    found = traco("channel", "deal", "status", folder / "deal.terms", "--as", "@broker", "--json")
    assert (found.code, found.problem["code"]) == (ExitCode.NEGATIVE, "settlement.aborted")
    assert (found.document["reason"], found.document["silent"]) == ("deadline", [town.ids["outsider"].hex()])
    wait_until(lambda: [available(traco, town, leg) for leg in GIVEN] == before)
