"""What a leg moves, as people write it and read it: accounts and instruments by name, amounts with their decimals."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from traco.cli.amounts import smallest_units
from traco.cli.people import Unit, readable
from traco.cli.problems import CommandProblem, ExitCode, absent, unusable
from traco.cli.session import Reading
from traco.cli.times import readable_time
from traco.client.channel_deals import AgreedTerms, DraftLeg
from traco.client.forms import to_form
from traco.client.results import ClientError, NotFound
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import Record
from traco.modules.channel.parts import EdgeMovement
from traco.modules.leg.messages import Export, Import, LegContent

ROUTE: Final = "/v1/channels"
OPEN_CREDIT: Final = "open"


class Wanted(NamedTuple):
    """Movements as they were typed."""

    moves: Sequence[str]
    exports: Sequence[str]
    imports: Sequence[str]


class Place:
    """A ledger as a session asks it: a channel, or the root."""

    def __init__(self, session: Reading, ledger: bytes) -> None:
        self.session = session
        self.ledger = ledger
        self._units: dict[bytes, Unit] = {}

    def query(self, name: str, **fields: Any) -> Any:
        """The answer of a query on this ledger."""
        if not self.ledger:
            return self.session.client.query(name, **fields)
        form = {field: value.hex() if isinstance(value, bytes) else value for field, value in fields.items()}
        return self.session.client.post(f"{ROUTE}/{self.ledger.hex()}/queries/{name}", form)["answer"]

    def unit(self, instrument: bytes) -> Unit:
        """What an instrument's amounts are counted in. Raises ``CommandProblem`` where this ledger has none such."""
        if instrument not in self._units:
            record = self.query("holding.instrument", instrument=instrument)
            if record is None:
                name = self.session.named(instrument.hex())
                raise absent("instrument.not_found", f"There is no instrument {name} on {self.name}.")
            self._units[instrument] = Unit(record["decimals"], record["code"])
        return self._units[instrument]

    def account(self, account: bytes, *, is_needed: bool) -> dict[str, Any] | None:
        """The record of an open account; None where it is another party's and not needed. Raises ``CommandProblem``."""
        name = self.session.named(account.hex())
        try:
            record = self.query("holding.account", account=account)
        except NotFound:
            if not is_needed:
                return None
            raise unusable(
                "deal.account_unseen",
                f"Account {name} on {self.name} is another party's, or there is none. Say who signs and who attests for "
                "it (--signer, --attester), or have the leg drafted by who sees both accounts.",
            ) from None
        if record is None or record["closed"]:
            raise absent("account.not_found", f"There is no open account {name} on {self.name}.")
        found: dict[str, Any] = record
        return found

    @property
    def name(self) -> str:
        """The ledger, in words."""
        return f"channel {self.ledger.hex()}" if self.ledger else "the root"

    def read(self, wanted: Wanted) -> LegContent:
        """What was typed, by ids and in smallest units."""
        return LegContent(
            tuple(map(self._movement, wanted.moves)),
            tuple(Export(*self._crossing(text, "--export")) for text in wanted.exports),
            tuple(Import(*self._crossing(text, "--import")) for text in wanted.imports),
        )

    def _movement(self, text: str) -> Movement:
        sender, receiver, instrument, amount, reference = _parts(text, 4, "--move FROM,TO,INSTRUMENT,AMOUNT")
        what = self.session.identity(instrument, "instrument")
        units = smallest_units(amount, self.unit(what).decimals)
        return Movement(what, self._account(sender), self._account(receiver), units, reference)

    def _crossing(self, text: str, option: str) -> tuple[bytes, bytes, int, bytes]:
        account, instrument, amount, reference = _parts(text, 3, f"{option} ACCOUNT,INSTRUMENT,AMOUNT")
        what = self.session.identity(instrument, "instrument")
        return what, self._account(account), smallest_units(amount, self.unit(what).decimals), reference

    def _account(self, text: str) -> bytes:
        return self.session.identity(text, "account")

    def say(self, content: LegContent) -> list[str]:
        """What a leg moves, a sentence for each movement."""
        name = self.session.named
        moves = [
            f"{self._amount(each)} from {name(each.sender.hex())} to {name(each.receiver.hex())}{_reference(each)}"
            for each in content.movements
        ]
        leaving = [
            f"{self._amount(out)} leaves from {name(out.account.hex())} for another ledger{_reference(out)}"
            for out in content.exports
        ]
        entering = [
            f"{self._amount(into)} comes in from another ledger to {name(into.account.hex())}{_reference(into)}"
            for into in content.imports
        ]
        return moves + leaving + entering

    def _amount(self, movement: Movement | Export | Import) -> str:
        try:
            unit = self.unit(movement.instrument)
        except (ClientError, CommandProblem):  # no node answers, or not to us
            name = self.session.named(movement.instrument.hex())
            return f"{movement.amount} (smallest unit) of {name}"
        return f"{readable(movement.amount, unit.decimals)} {unit.code}"


def _reference(movement: Movement | Export | Import) -> str:
    """What a movement is said to be for, as text where it is one."""
    if not movement.reference:
        return ""
    try:
        return f", for: {movement.reference.decode()}"
    except UnicodeDecodeError:
        return f", for: {movement.reference.hex()}"


def parties_of(place: Place, content: LegContent, named: Sequence[bytes]) -> list[bytes]:
    """Who must sign a leg: who controls the debits of what gives, and the credits of what takes where those are not open.

    ``named`` sign too, and for accounts that one does not see. Of those that take, unseen ones are believed to be open: where
    they are not, the leg is refused (``leg.not_in_control``).
    """
    giving = [move.sender for move in content.movements] + [out.account for out in content.exports]
    found = dict.fromkeys(named)
    for account in dict.fromkeys(giving):
        record = place.account(account, is_needed=not named)
        if record is not None:
            found[_controller(record, "debit")] = None
    for account in _taking(content):
        record = place.account(
            account, is_needed=False
        )  # of others one sees none on the root: most are open to credits
        if record is not None and record["credit"] != OPEN_CREDIT:
            found[_controller(record, "credit")] = None
    return list(found)


def _taking(content: LegContent) -> list[bytes]:
    taking = [move.receiver for move in content.movements] + [into.account for into in content.imports]
    return list(dict.fromkeys(taking))


def _controller(record: dict[str, Any], side: str) -> bytes:
    return bytes.fromhex(record["owner"] if record[side] == "owner" else record["servicer"])


def attesters_of(place: Place, content: LegContent, members: Sequence[bytes]) -> list[bytes]:
    """The members that host the receivers of a leg: the owners of what takes, or who vouches for them."""
    found: dict[bytes, None] = {}
    for account in _taking(content):
        record = place.account(account, is_needed=True)
        owner = bytes.fromhex("" if record is None else record["owner"])
        found[owner if owner in members else _sponsor(place.session, owner, members)] = None
    return list(found)


def _sponsor(session: Reading, owner: bytes, members: Sequence[bytes]) -> bytes:
    view = session.client.query("party.get", party=owner)
    sponsor = "" if view is None else view["party"]["sponsor"] or ""
    if not sponsor or bytes.fromhex(sponsor) not in members:
        raise CommandProblem(
            ExitCode.INPUT, "deal.no_attester",
            f"No member of the channel hosts {session.named(owner.hex())}, who receives: say whose word is needed: --attester MEMBER",
        )  # fmt: skip
    return bytes.fromhex(sponsor)


def public_edges(content: LegContent) -> list[EdgeMovement]:
    """What a leg takes in of each instrument, less what it gives out: what its terms tell the root."""
    sums: dict[bytes, int] = {}
    for out in content.exports:
        sums[out.instrument] = sums.get(out.instrument, 0) - out.amount
    for into in content.imports:
        sums[into.instrument] = sums.get(into.instrument, 0) + into.amount
    return [EdgeMovement(instrument, amount) for instrument, amount in sums.items() if amount]


def short_of(place: Place, content: LegContent) -> Iterator[str]:
    """What accounts that one sees do not have now, in words: an attempt would be refused then."""
    needed: dict[tuple[bytes, bytes], int] = {}
    for move in content.movements:
        needed[move.instrument, move.sender] = needed.get((move.instrument, move.sender), 0) + move.amount
    for out in content.exports:
        needed[out.instrument, out.account] = needed.get((out.instrument, out.account), 0) + out.amount
    for (instrument, account), amount in needed.items():
        try:
            available = place.query("holding.get", instrument=instrument, account=account)["available"]
        except NotFound:
            continue  # another party's
        if available < amount:
            unit, name = place.unit(instrument), place.session.named(account.hex())
            has, gives = readable(available, unit.decimals), readable(amount, unit.decimals)
            yield f"{name} has {has} {unit.code} available now, and is to give {gives}."


def _parts(text: str, count: int, form: str) -> tuple[Any, ...]:
    """The parts of a movement, the last one its reference, in bytes; it may be left out."""
    parts = text.split(",", count)
    if len(parts) < count:
        raise unusable("deal.movement", f"{text!r} is not {form}[,REFERENCE].")
    reference = parts[count] if len(parts) > count else ""
    return (*(part.strip() for part in parts[:count]), reference.encode())


def members_of(session: Reading, channel: bytes) -> list[bytes]:
    """The members of a channel. Raises ``NotFound`` where who asks is not in it."""
    record = session.client.get(f"{ROUTE}/{channel.hex()}")["channel"]
    return [bytes.fromhex(member) for member in record["terms"]["members"]]


def doubts(place: Place, leg: DraftLeg) -> Iterator[str]:
    """What who relies on a leg should know before it signs, in words; nothing where no node answers."""
    try:
        yield from short_of(place, leg.content)
        if place.ledger:
            needed = attesters_of(place, leg.content, members_of(place.session, place.ledger))
            for missing in (each for each in needed if each not in leg.attesters):
                yield (
                    f"{place.session.named(missing.hex())} hosts a receiver, and its word is not required: the other members "
                    "could say that the leg is held without it."
                )
    except (ClientError, CommandProblem):
        return


def leg_words(place: Place, leg: DraftLeg) -> dict[str, Any]:
    """A leg, as it is shown."""
    session, public = place.session, leg.public()
    if session.output.as_json:
        return {"leg": to_form(leg), "commitment": public.leg.commitment.hex()}
    return {
        "moves": place.say(leg.content), "on": place.name, "signed by": _named(session, leg.parties),
        "required attesters": _named(session, leg.attesters), "commitment": public.leg.commitment.hex(),
    }  # fmt: skip


def public_words(session: Reading, public: Record) -> dict[str, Any]:
    """Any other file, as it is shown."""
    form: dict[str, Any] = to_form(public)
    shown: dict[str, Any] = form if session.output.as_json else session.people(form)
    return shown


def terms_words(session: Reading, agreed: AgreedTerms) -> dict[str, Any]:
    """Terms, as they are shown."""
    if session.output.as_json:
        return {"id": agreed.id.hex(), "terms": to_form(agreed.terms)}
    legs = [
        {
            "on": leg.ledger.hex() or "the root", "commitment": leg.commitment.hex(),
            "required attesters": _named(session, leg.attesters),
            "over its public edge": [
                f"{edge.amount:+} (smallest unit) of {session.named(edge.instrument.hex())}" for edge in leg.edges
            ],
        }
        for leg in agreed.terms.legs
    ]  # fmt: skip
    return {"terms": agreed.id.hex(), "deadline": readable_time(agreed.terms.deadline_ms), "legs": legs}


def _named(session: Reading, parties: Iterable[bytes]) -> list[str]:
    return [session.named(party.hex()) for party in parties]
