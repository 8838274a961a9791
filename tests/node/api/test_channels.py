"""Channels over REST: business from a member's client to confirmation, and who sees what of it."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.channel_town import CLIENT, ChannelTown, channel_town
from support.town import salt
from traco.client.verify import verify
from traco.modules.channel.messages import VoteErase
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)


class Business(NamedTuple):
    """A channel of bank and broker in which the bank paid the broker's client."""

    town: ChannelTown
    channel: bytes
    instrument: bytes
    paid: str

    def account(self, name: str) -> bytes:
        return account_id(self.town.ids[name], salt(name))

    def held(self, asking: str, whose: str) -> tuple[int, object]:
        answer = self.town.query(
            asking, self.channel, "holding.get", instrument=self.instrument, account=self.account(whose)
        )
        return answer.status_code, answer.json().get("answer") or answer.json()["code"]


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with channel_town(tmp_path_factory.mktemp("channels") / "node") as town:
        channel = town.opened("bank", "broker")
        bank = town.ids["bank"]
        made = Business(town, channel, instrument_id(bank, "NOTE"), "")
        for name, by in (("bank", "bank"), ("broker", "broker"), (CLIENT, CLIENT)):
            party = town.ids[name]
            town.do(
                by,
                channel,
                OpenAccount(
                    party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
                ),
            )
        town.do(
            "bank",
            channel,
            CreateInstrument(bank, "NOTE", InstrumentKind.SECURITY, None, 2, bytes(32), (bank,)),
        )
        town.do("bank", channel, Issue(bank, made.instrument, made.account("bank"), 1_000, b""))
        paid = town.do(
            "bank",
            channel,
            Transfer(bank, made.instrument, made.account("bank"), made.account(CLIENT), 300, b"rent"),
        )
        yield made._replace(paid=paid)


def test_a_payment_is_confirmed_and_seen_by_whom_it_concerns(business: Business) -> None:
    for name in ("bank", "broker", CLIENT):
        status, holding = business.held(name, CLIENT)
        assert (status, holding["available"]) == (200, 300)  # type: ignore[index]
    assert business.held("bank", "bank")[0] == 200


def test_a_party_sees_of_others_in_its_members_channel_nothing(business: Business) -> None:
    assert business.held(CLIENT, "bank") == (404, "object.unknown")
    assert business.held("broker", "bank")[0] == 200  # a member has the whole channel


def test_neither_operators_nor_members_outside_read_a_channel(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}"
    for found in (
        town.get("outsider", path), town.get("outsider", f"{path}/missing"),
        town.get("outsider", f"{path}/transactions/{business.paid}"),
        town.query("outsider", business.channel, "holding.get", instrument=business.instrument, account=business.account(CLIENT)),
        town.submit("outsider", business.channel, b"anything"),
    ):  # fmt: skip
        assert (found.status_code, found.json()["code"]) == (404, "object.unknown")
    assert town.get("outsider", "/v1/channels").json() == {"items": [], "offers": []}


def test_a_channel_of_others_is_not_read_by_the_operator_of_the_node(business: Business) -> None:
    town = business.town
    channel = town.opened("broker", "outsider")
    assert town.get("outsider", f"/v1/channels/{channel.hex()}").status_code == 200
    assert town.get("bank", f"/v1/channels/{channel.hex()}").status_code == 404
    on_the_root = town.post("bank", "/v1/queries/channel.get", {"channel": channel}).json()["answer"]
    assert on_the_root["channel"]["status"] == "open"  # which everybody's node has


def test_the_list_has_the_members_channels_with_what_holds_them_up(business: Business) -> None:
    for name, member in (("bank", "bank"), (CLIENT, "broker")):
        rows = business.town.get(name, "/v1/channels").json()["items"]
        (row,) = [row for row in rows if row["id"] == business.channel.hex()]
        assert (row["member"], row["role"], row["status"]) == (
            business.town.ids[member].hex(),
            "member",
            "open",
        )
        assert (row["problem"], row["confirmed"]) == (None, row["ordinal"])


def test_a_channel_is_shown_with_how_far_it_was_executed_here(business: Business) -> None:
    shown = business.town.get("bank", f"/v1/channels/{business.channel.hex()}").json()
    assert shown["channel"]["terms"]["modules"] == ["holding", "settlement"]
    assert shown["executed"] == shown["noted"] == shown["stream"]["confirmed"] > 0
    assert (shown["offer"], shown["problem"]) == (None, None)
    missing = business.town.get("bank", f"/v1/channels/{business.channel.hex()}/missing")
    assert missing.json() == {"items": []}


def test_what_became_of_a_transaction_is_for_those_whom_it_concerns(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}/transactions/"
    for name in ("bank", "broker", CLIENT):
        found = town.get(name, path + business.paid).json()
        assert (found["status"], [event["type"] for event in found["events"]]) == (
            "confirmed",
            ["holding.moved/1"],
        )
        assert found["events"][0]["amount"] == 300
    bank = town.ids["bank"]
    among_themselves = town.do(
        "bank", business.channel, Transfer(bank, business.instrument, business.account("bank"), business.account("broker"), 1, b"")
    )  # fmt: skip
    assert town.get("broker", path + among_themselves).json()["status"] == "confirmed"
    hidden, absent = town.get(CLIENT, path + among_themselves), town.get(CLIENT, path + "12" * 32)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "transaction.unknown")
    assert hidden.text.replace(among_themselves, "") == absent.text.replace("12" * 32, "")


def test_those_whom_it_concerns_can_prove_it_to_anybody(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}/transactions/{business.paid}/receipt"
    genesis = town.node.client.get("/v1/genesis").content
    for name in ("bank", "broker", CLIENT):
        file = town.get(name, path)
        assert file.status_code == 200, file.text
        proof = verify(file.content, genesis)
        assert (proof["channel"], proof["transaction"]) == (business.channel.hex(), business.paid)
        assert proof["outcome"] == "success"
    outside = town.get("outsider", path)
    assert (outside.status_code, outside.json()["code"]) == (404, "object.unknown")
    absent = town.get(CLIENT, path.replace(business.paid, "12" * 32))
    assert (absent.status_code, absent.json()["code"]) == (404, "transaction.unknown")


def test_a_rejected_transaction_says_why(business: Business) -> None:
    town, bank = business.town, business.town.ids["bank"]
    too_much = Transfer(
        bank, business.instrument, business.account("bank"), business.account("broker"), 10**6, b""
    )
    answer = town.submit("bank", business.channel, town.wire(business.channel, "bank", too_much))
    path = f"/v1/channels/{business.channel.hex()}/transactions/{answer.json()['id']}"
    found = town.until(lambda: (seen := town.get("bank", path).json())["status"] == "confirmed" and seen)
    assert found["failure"]["code"] == "holding.insufficient"
    assert "10" in found["failure"]["text"]


def test_what_is_signed_for_the_root_is_refused_in_a_channel(business: Business) -> None:
    town = business.town
    malformed = town.submit("bank", business.channel, b"nonsense")
    assert (malformed.status_code, malformed.json()["failure"]["code"]) == (422, "transaction.malformed")
    message = Transfer(town.ids["bank"], bytes(16), bytes(16), bytes(16), 1, b"")
    answer = town.submit("bank", business.channel, town.wire(b"", "bank", message))
    assert answer.status_code == 202  # of which ledger it is, is judged where it is executed
    path = f"/v1/channels/{business.channel.hex()}/transactions/{answer.json()['id']}"
    found = town.until(lambda: (seen := town.get("bank", path).json())["status"] != "received" and seen)
    assert (found["status"], found["failure"]["code"]) == ("refused", "transaction.wrong_ledger")


def test_queries_that_no_module_of_the_channel_has_are_told_apart(business: Business) -> None:
    answer = business.town.query("bank", business.channel, "document.get", document="00" * 16)
    assert (answer.status_code, answer.json()["code"]) == (404, "channel.query_unknown")
    answer = business.town.query("bank", business.channel, "holding.get", account=1)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


def test_a_key_is_made_for_the_member_itself_and_never_again_for_an_epoch_in_force(
    business: Business,
) -> None:
    town = business.town
    members = sorted(town.ids[name].hex() for name in ("bank", "broker"))
    form = {
        "channel": business.channel.hex(),
        "epoch": 2,
        "member": town.ids["broker"].hex(),
        "members": members,
    }
    assert town.post(CLIENT, "/v1/channels/keys", form).json()["code"] == "object.unknown"
    assert town.post("bank", "/v1/channels/keys", form).json()["code"] == "object.unknown"
    again = town.post("broker", "/v1/channels/keys", {**form, "epoch": 1})
    assert (again.status_code, again.json()["code"]) == (422, "channel.offer_open")
    made = town.post("broker", "/v1/channels/keys", form)
    assert (made.status_code, len(made.json()["copies"])) == (200, 2)


def test_a_member_discloses_a_period_and_nobody_else_does_or_fetches_it(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}/disclosures"
    begun = town.post("bank", path, {"first": 2, "last": 4})
    assert begun.status_code == 202, begun.text
    route = f"{path}/{begun.json()['id']}"
    made = town.until(lambda: (seen := town.get("bank", route).json())["status"] == "ready" and seen)
    assert (made["first"], made["last"]) == (2, 4)
    whole = town.get("bank", f"{route}/content").content
    assert len(whole) == made["size"]
    assert town.get("bank", f"{route}/content?offset={made['size']}").content == b""
    assert town.get("bank", f"{route}/content?offset=10").content == whole[10:]
    for name in (CLIENT, "outsider"):
        assert town.post(name, path, {"first": 2, "last": 4}).status_code == 404
        assert town.get(name, f"{route}/content").status_code == 404
    others = town.get("broker", route)  # a member too, but not the one that discloses
    assert (others.status_code, others.json()["code"]) == (422, "disclosure.unknown")


def test_a_period_that_is_not_there_is_said(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}/disclosures"
    begun = town.post("bank", path, {"first": 900, "last": 901}).json()
    failed = town.until(
        lambda: (seen := town.get("bank", f"{path}/{begun['id']}").json())["status"] == "failed" and seen
    )
    assert failed["code"] == "disclosure.period"
    early = town.get("bank", f"{path}/{begun['id']}/content")
    assert (early.status_code, early.json()["code"]) == (422, "disclosure.not_ready")


def test_only_the_member_itself_shows_a_total(business: Business) -> None:
    town = business.town
    wanted = {"instrument": business.instrument.hex(), "member": town.ids["bank"].hex()}
    found = town.post("bank", "/v1/channels/totals", wanted)
    assert found.status_code == 200, found.text
    assert found.content.find(b"traco.channel-total/1") in range(8)
    for name in ("broker", CLIENT, "outsider"):
        assert town.post(name, "/v1/channels/totals", wanted).status_code == 404


def test_a_member_has_its_channel_rebuilt_and_nobody_else_sees_the_report(business: Business) -> None:
    town, path = business.town, f"/v1/channels/{business.channel.hex()}/rebuild"
    for name in (CLIENT, "outsider"):
        answers = [town.post(name, path, {}), town.get(name, f"{path}/report")]
        assert [answer.status_code for answer in answers] == [404, 404]
    assert town.get("broker", f"{path}/report").json()["code"] == "channel.not_rebuilt"
    assert town.post("broker", path, {}).status_code == 202
    report = town.until(
        lambda: (seen := town.get("broker", f"{path}/report").json())["status"] != "running" and seen
    )
    assert (report["status"], report["agrees"], report["missing"]) == ("complete", True, [])


def test_votes_are_listed_and_what_was_erased_is_not_proven(business: Business) -> None:
    town, channel = business.town, business.channel
    ordinal = town.get("bank", f"/v1/channels/{channel.hex()}").json()["stream"]["confirmed"]
    town.on_root("bank", VoteErase(town.ids["bank"], channel, ordinal))
    answer = town.post("bank", "/v1/queries/channel.ballots", {"channel": channel}).json()["answer"]
    assert answer == {
        "policy": 2,
        "ballots": [{"subject": "erase", "number": ordinal, "members": [town.ids["bank"].hex()]}],
    }
    town.on_root("broker", VoteErase(town.ids["broker"], channel, ordinal))
    path = f"/v1/channels/{channel.hex()}/transactions/{business.paid}"
    refused = town.until(lambda: (seen := town.get("bank", f"{path}/receipt")).status_code == 422 and seen)
    assert refused.json()["code"] == "channel.not_provable"
    assert "erased" in refused.json()["detail"]
    assert town.get("bank", path).json()["status"] == "confirmed"
