"""Settlements across channels over REST: sealing, ordering, what became of them, and what a cheating counterparty gets."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
from msgspec.structs import replace

from support.channel_town import CLIENT, ChannelTown, channel_town
from support.town import NamedKey, salt
from traco.client.channel_deals import AgreedTerms, DraftLeg, agree, draft_leg, leg_transaction, sign_root_leg
from traco.client.collecting import add_signatures
from traco.client.forms import from_form
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT
from traco.modules.channel.parts import EdgeMovement, SealedLeg
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    account_id,
    instrument_id,
)
from traco.modules.leg.messages import Export, Import, LegContent

LEGS = {"bond": "bank", "cash": "broker"}  # what is given in which channel by whom


class Market(NamedTuple):
    """Bonds in a channel of bank and broker, cash in one of broker, bank and outsider; each has 1,000 of what it gives."""

    town: ChannelTown
    channels: dict[str, bytes]

    def account(self, name: str) -> bytes:
        return account_id(self.town.ids[name], salt(name))

    def instrument(self, leg: str) -> bytes:
        return instrument_id(self.town.ids[LEGS[leg]], leg.upper())

    def leg(self, leg: str, amount: int, taker: str = "") -> DraftLeg:
        giver = LEGS[leg]
        taker = taker or next(name for name in LEGS.values() if name != giver)
        moved = Movement(self.instrument(leg), self.account(giver), self.account(taker), amount, b"")
        attester = self.town.ids["broker" if taker == CLIENT else taker]
        return draft_leg(
            self.town.node.network, self.channels[leg], LegContent((moved,)), [self.town.ids[giver]], [attester]
        )  # fmt: skip

    def agreed(self, *legs: DraftLeg, ahead_ms: int = 300_000) -> AgreedTerms:
        return agree(self.town.node.network, [leg.public() for leg in legs], self.town.now_ms() + ahead_ms)

    def signed(self, terms: AgreedTerms, leg: DraftLeg, *names: str) -> bytes:
        return add_signatures(leg_transaction(terms, leg), [NamedKey(name) for name in names])

    def ask_seal(self, name: str, leg: DraftLeg, terms: AgreedTerms, raw: bytes) -> httpx.Response:
        form = {"terms": terms.terms, "transaction": raw}
        return self.town.post(name, f"/v1/channels/{leg.ledger.hex()}/legs", form)

    def seal(self, name: str, leg: DraftLeg, terms: AgreedTerms) -> SealedLeg:
        answer = self.ask_seal(name, leg, terms, self.signed(terms, leg, name))
        assert answer.status_code == 200, answer.text
        found: SealedLeg = from_form(SealedLeg, answer.json()["leg"])
        return found

    def order(self, name: str, terms: AgreedTerms, *legs: Any) -> httpx.Response:
        return self.town.post(name, "/v1/channels/attempts", {"terms": terms.terms, "legs": list(legs)})

    def settlement(self, name: str, terms: AgreedTerms) -> httpx.Response:
        return self.town.get(name, f"/v1/channels/settlements/{terms.id.hex()}")

    def _ended(self, terms: AgreedTerms) -> Any:
        found = self.settlement("bank", terms)
        is_decided = found.status_code == 200 and found.json()["status"] in ("committed", "aborted")
        return found.json() if is_decided and found.json()["reason"] else None

    def ended(self, terms: AgreedTerms) -> Any:
        """What became of it, once this node has noted the decision."""
        return self.town.until(partial(self._ended, terms))

    def available(self, leg: str, name: str) -> int:
        found = self.town.query(
            "broker", self.channels[leg], "holding.get", instrument=self.instrument(leg), account=self.account(name)
        ).json()["answer"]  # fmt: skip
        amount: int = found["available"]
        return amount

    def owned(self) -> list[list[int]]:
        return [[self.available(leg, name) for name in ("bank", "broker")] for leg in LEGS]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with channel_town(tmp_path_factory.mktemp("deals") / "node") as town:
        made = Market(
            town, {"bond": town.opened("bank", "broker"), "cash": town.opened("broker", "bank", "outsider")}
        )
        for leg, giver in LEGS.items():
            channel = made.channels[leg]
            for name in ("bank", "broker", CLIENT):
                party = town.ids[name]
                account = OpenAccount(
                    party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
                )  # fmt: skip
                town.do("broker" if name == CLIENT else name, channel, account, as_client=name)
            party = town.ids[giver]
            created = CreateInstrument(
                party, leg.upper(), InstrumentKind.SECURITY, None, 2, bytes(32), (party,)
            )
            town.do(
                giver, channel, created, Issue(party, made.instrument(leg), made.account(giver), 1_000, b"")
            )
        yield made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_who_has_all_legs_orders_them_and_both_channels_settle(market: Market) -> None:
    before = market.owned()
    legs = (market.leg("bond", 10), market.leg("cash", 95))
    terms = market.agreed(*legs)
    sealed = [market.seal(name, leg, terms) for name, leg in zip(LEGS.values(), legs, strict=True)]
    ordered = market.order("outsider", terms, *sealed)
    assert ordered.status_code == 200, ordered.text
    assert ordered.json()["status"] == "undecided"
    assert len(ordered.json()["transaction"]) == 64
    ended = market.ended(terms)
    assert (ended["status"], ended["reason"], ended["silent"]) == ("committed", "held", [])
    assert ended["attempt"] == ordered.json()["attempt"]
    (bonds, cash), (bonds_left, cash_left) = before, market.owned()
    assert (bonds_left, cash_left) == ([bonds[0] - 10, bonds[1] + 10], [cash[0] + 95, cash[1] - 95])


def test_ordering_again_tells_what_is_there(market: Market) -> None:
    legs = (market.leg("bond", 1), market.leg("cash", 1))
    terms = market.agreed(*legs)
    sealed = [market.seal(name, leg, terms) for name, leg in zip(LEGS.values(), legs, strict=True)]
    first = market.order("bank", terms, *sealed).json()
    market.ended(terms)
    again = market.order("broker", terms, *sealed)
    assert again.json() == {"attempt": first["attempt"], "status": "committed", "transaction": None}


def test_many_settlements_are_sealed_and_ordered_together_and_who_is_refused_harms_no_other(
    market: Market,
) -> None:
    before = market.owned()
    deals = [(market.leg("bond", 1 + number), market.leg("cash", 2 + number)) for number in range(5)]
    deals[3] = (deals[3][0], market.leg("cash", 100_000))
    terms = [market.agreed(*legs) for legs in deals]
    columns = list[list[Any]]()
    for at, name in enumerate(LEGS.values()):
        channel = deals[0][at].ledger
        forms = [
            {"terms": agreed.terms, "transaction": market.signed(agreed, legs[at], name)}
            for agreed, legs in zip(terms, deals, strict=True)
        ]
        if not at:
            forms[1]["transaction"] = market.signed(terms[0], deals[0][0], name)
        answer = market.town.post(name, f"/v1/channels/{channel.hex()}/legs/batch", forms)
        assert answer.status_code == 200, answer.text
        columns.append(answer.json())
    assert [[row["failure"] and row["failure"]["code"] for row in rows] for rows in columns] == [
        [None, "leg.terms_differ", None, None, None], [None, None, None, "holding.insufficient", None],
    ]  # fmt: skip
    given, paid = ([row["leg"] for row in rows] for rows in columns)
    ordered = [(2, [given[4], paid[4]]), (0, [given[0], paid[0]]), (2, [given[2]]), (4, [given[4], paid[4]])]
    forms = [{"terms": terms[number].terms, "legs": legs} for number, legs in ordered]
    answer = market.town.post("outsider", "/v1/channels/attempts/batch", forms)
    assert answer.status_code == 200, answer.text
    assert [row["failure"] and row["failure"]["code"] for row in answer.json()] == [
        "channel.legs_wrong", None, "channel.legs_wrong", None,
    ]  # fmt: skip
    for number in (0, 4):
        assert market.ended(terms[number])["status"] == "committed"
    (bonds, cash), (bonds_left, cash_left) = before, market.owned()
    assert (bonds_left, cash_left) == ([bonds[0] - 6, bonds[1] + 6], [cash[0] + 8, cash[1] - 8])
    assert market.town.post("bank", "/v1/channels/attempts/batch", forms * 17).status_code == 400


def test_a_leg_that_its_channel_would_refuse_is_refused_before_it_is_sealed(market: Market) -> None:
    poor = market.leg("cash", 100_000)
    terms = market.agreed(market.leg("bond", 10), poor)
    answer = market.ask_seal("broker", poor, terms, market.signed(terms, poor, "broker"))
    assert code(answer) == (422, "holding.insufficient")
    unsigned = market.ask_seal("broker", poor, terms, market.signed(terms, poor, "bank"))
    assert code(unsigned)[1] in ("transaction.signature_missing", "transaction.signature_superfluous")


def test_what_was_signed_for_other_terms_is_sealed_for_none(market: Market) -> None:
    bond, cash, cheap = market.leg("bond", 10), market.leg("cash", 95), market.leg("cash", 1)
    meant, other = market.agreed(bond, cash), market.agreed(bond, cheap)
    raw = market.signed(meant, bond, "bank")
    assert code(market.ask_seal("broker", bond, other, raw)) == (422, "leg.terms_differ")
    forged = replace(meant, terms=other.terms)  # says the id of what was signed
    assert code(market.ask_seal("broker", bond, forged, raw)) == (422, "leg.terms_differ")
    paid = market.signed(meant, cash, "broker")
    moved = replace(meant.terms.legs[1], commitment=cheap.public().leg.commitment)
    changed = replace(meant, terms=replace(meant.terms, legs=(meant.terms.legs[0], moved)))
    assert code(market.ask_seal("broker", cash, changed, paid)) == (422, "leg.terms_differ")


def test_a_sealed_leg_is_ordered_with_its_own_terms_and_place_only(market: Market) -> None:
    before = market.owned()
    bond, cash, cheap = market.leg("bond", 10), market.leg("cash", 95), market.leg("cash", 1)
    meant, other = market.agreed(bond, cash), market.agreed(bond, cheap)
    given, paid, less = (
        market.seal("bank", bond, meant), market.seal("broker", cash, meant), market.seal("broker", cheap, other)
    )  # fmt: skip
    for terms, legs in (
        (meant, (given, less)), (other, (given, less)), (meant, (paid, given)), (meant, (given, given)),
    ):  # fmt: skip
        answer = market.order("broker", terms, *legs)
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] in ("channel.legs_wrong", "channel.receipt_invalid")
    assert code(market.order("broker", meant, given)) == (422, "channel.legs_wrong")
    tampered = replace(given, signature=given.signature[:-1] + bytes([given.signature[-1] ^ 1]))
    assert code(market.order("broker", meant, tampered, paid)) == (422, "channel.legs_wrong")
    assert market.owned() == before
    assert market.settlement("bank", meant).status_code == 404


def test_terms_whose_deadline_is_past_or_too_far_away_are_refused_with_what_to_do(market: Market) -> None:
    legs = (market.leg("bond", 1), market.leg("cash", 1))
    past = market.agreed(*legs, ahead_ms=-1)
    assert code(market.ask_seal("bank", legs[0], past, market.signed(past, legs[0], "bank")))[0] == 422
    early = market.agreed(*legs, ahead_ms=3_600_000)
    sealing = market.ask_seal("bank", legs[0], early, market.signed(early, legs[0], "bank"))
    assert code(sealing) == (422, "channel.too_early")


def test_a_leg_is_sealed_only_for_who_is_in_its_channel(market: Market) -> None:
    legs = (market.leg("bond", 1), market.leg("cash", 1))
    terms = market.agreed(*legs)
    raw = market.signed(terms, legs[0], "bank")
    assert code(market.ask_seal("outsider", legs[0], terms, raw)) == (404, "object.unknown")


def test_a_client_of_a_member_seals_and_sees_its_own_channels_alone(market: Market) -> None:
    legs = (market.leg("bond", 5, taker=CLIENT), market.leg("cash", 5))
    terms = market.agreed(*legs)
    sealed = [market.seal(name, leg, terms) for name, leg in zip(LEGS.values(), legs, strict=True)]
    assert market.order(CLIENT, terms, *sealed).status_code == 200
    market.ended(terms)
    assert market.settlement(CLIENT, terms).json()["status"] == "committed"
    assert market.available("bond", CLIENT) == 5


def test_an_aborted_attempt_can_be_tried_again_with_legs_signed_anew(market: Market) -> None:
    """Two deals compete for the broker's cash: the second one's leg is refused, and everything of it is released."""
    rest = market.available("cash", "broker")
    first = (market.leg("bond", 1), market.leg("cash", rest - 5))
    second = (market.leg("bond", 2), market.leg("cash", 6))
    taken, late = market.agreed(*first), market.agreed(*second)
    before = market.owned()
    pairs = [
        (terms, [market.seal(name, leg, terms) for name, leg in zip(LEGS.values(), legs, strict=True)])
        for terms, legs in ((taken, first), (late, second))
    ]
    for terms, sealed in pairs:
        assert market.order("bank", terms, *sealed).status_code == 200
    assert market.ended(taken)["status"] == "committed"
    ended = market.ended(late)
    assert (ended["status"], ended["reason"]) == ("aborted", "refused")
    assert market.owned()[0] == [before[0][0] - 1, before[0][1] + 1]
    party, issued = market.town.ids["broker"], market.instrument("cash")
    market.town.do(
        "broker", market.channels["cash"], Issue(party, issued, market.account("broker"), 1_000, b"")
    )
    stale = market.order("bank", late, *pairs[1][1])
    assert code(stale) == (422, "channel.payload_repeated")
    anew = [market.seal(name, leg, late) for name, leg in zip(LEGS.values(), second, strict=True)]
    assert market.order("bank", late, *anew).status_code == 200
    market.town.until(lambda: market.settlement("bank", late).json()["status"] == "committed")


def share_on_root(market: Market) -> bytes:
    """Shares on the root, of which the broker has some, and accounts there for the bank and it."""
    town, broker = market.town, market.town.ids["broker"]
    share = instrument_id(broker, "SHARE")
    if (
        town.post("broker", "/v1/queries/holding.instrument", {"instrument": share}).json()["answer"]
        is not None
    ):
        return share
    for name in ("bank", "broker"):
        party = town.ids[name]
        account = OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
        )
        town.on_root(name, account)
    created = CreateInstrument(broker, "SHARE", InstrumentKind.SECURITY, None, 0, bytes(32), (broker,))
    town.on_root("broker", created, Issue(broker, share, market.account("broker"), 10, b""))
    return share


def test_a_leg_on_the_root_settles_with_one_in_a_channel_and_who_is_in_neither_sees_nothing_of_it(
    market: Market,
) -> None:
    town, broker, share = market.town, market.town.ids["broker"], share_on_root(market)
    moved = Movement(share, market.account("broker"), market.account("bank"), 4, b"")
    bond, open_leg = market.leg("bond", 1), draft_leg(town.node.network, ROOT, LegContent((moved,)), [broker])
    terms = market.agreed(bond, open_leg)
    sealed = market.seal("bank", bond, terms)
    other = sign_root_leg(terms, open_leg, [NamedKey("bank")]).leg
    assert code(market.order("bank", terms, sealed, other)) == (422, "channel.legs_wrong")
    signed = sign_root_leg(terms, open_leg, [NamedKey("broker")]).leg
    assert market.order("bank", terms, sealed, signed).status_code == 200
    assert market.ended(terms)["status"] == "committed"
    assert code(market.settlement("outsider", terms)) == (404, "object.unknown")
    never = market.agreed(bond, open_leg)
    assert code(market.settlement("bank", never)) == (404, "object.unknown")
    held = town.post(
        "bank", "/v1/queries/holding.get", {"instrument": share, "account": market.account("bank")}
    )
    assert held.json()["answer"]["available"] == 4


def test_what_leaves_the_root_enters_a_channel_and_comes_back_and_no_more(market: Market) -> None:
    town, broker = market.town, market.town.ids["broker"]
    share, channel = share_on_root(market), market.channels["bond"]
    town.do(
        "broker",
        channel,
        CreateInstrument(broker, "SHARE", InstrumentKind.SECURITY, None, 0, bytes(32), (broker,)),
    )

    def crossing(amount: int, *, into_channel: bool) -> httpx.Response:
        account, network = market.account("broker"), town.node.network
        out, into = (
            LegContent((), (Export(share, account, amount),)),
            LegContent((), (), (Import(share, account, amount),)),
        )
        inside, outside = (into, out) if into_channel else (out, into)
        sign = 1 if into_channel else -1
        sealed_leg = draft_leg(
            network, channel, inside, [broker], [broker], [EdgeMovement(share, sign * amount)]
        )
        open_leg = draft_leg(network, ROOT, outside, [broker], (), [EdgeMovement(share, -sign * amount)])
        terms = market.agreed(sealed_leg, open_leg)
        sealed = market.seal("broker", sealed_leg, terms)
        answer = market.order(
            "broker", terms, sealed, sign_root_leg(terms, open_leg, [NamedKey("broker")]).leg
        )
        if answer.status_code == 200:
            assert market.ended(terms)["status"] == "committed"
        return answer

    assert crossing(3, into_channel=True).status_code == 200
    assert crossing(2, into_channel=False).status_code == 200
    town.do(
        "broker", channel, Issue(broker, share, market.account("broker"), 100, b"")
    )  # by its issuer, out of nothing
    assert code(crossing(2, into_channel=False)) == (422, "channel.edge_exceeded")
