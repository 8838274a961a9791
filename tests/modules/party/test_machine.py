"""Parties against a naive model of dictionaries, over arbitrary sequences of instructions by arbitrary signers."""

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from support.founding import Founding, founding, lei
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.kernel.instruction import Instruction
from traco.modules.party.messages import (
    BeginRecovery,
    CancelRecovery,
    ChangeKeys,
    RegisterParty,
    SetStatus,
    party_id,
)
from traco.modules.party.state import (
    Identifier,
    KeyRole,
    PartyKey,
    Policy,
    PolicyRule,
    Status,
)

DELAY = 60_000
SPONSORS = ("bank", "rival")
KEYS = [Key(f"key {n}") for n in range(9)]

Roles = frozenset[str]
key_numbers = st.integers(0, len(KEYS) - 1)
EVERYTHING = frozenset(("sign", "administer"))
roles = st.sampled_from([EVERYTHING] * 5 + [frozenset((role,)) for role in ("sign", "administer", "read")])
key_sets = st.dictionaries(key_numbers, roles, max_size=3)
thresholds = st.sampled_from([1, 1, 1, 2, 3])
mostly = st.sampled_from([True, True, True, False])  # whether to help the instruction to succeed
signers = st.sets(key_numbers, max_size=3)


@dataclass
class Modelled:
    """What the model knows of a party."""

    sponsor: str
    keys: dict[int, Roles]
    signing: int
    administering: int
    lei: int | None
    status: str = "active"
    history: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)


@dataclass
class Waiting:
    """A recovery in the model."""

    keys: dict[int, Roles]
    due_ms: int


class PartyMachine(RuleBasedStateMachine):
    """Submits, and asks the model whether it had to succeed."""

    def __init__(self) -> None:
        super().__init__()
        parameters = {"party": {"recovery_delay_ms": DELAY, "max_keys": 4}}
        self.f: Founding = founding(SPONSORS, [ProbeModule()], parameters=parameters)
        self.model: dict[bytes, Modelled] = {}
        self.recoveries: dict[bytes, Waiting] = {}

    def run_due(self) -> None:
        for party in [p for p, w in self.recoveries.items() if w.due_ms <= self.f.ledger.time_ms + 1_000]:
            waiting = self.recoveries.pop(party)
            self.model[party] = replace(self.model[party], keys=waiting.keys, signing=1, administering=1)
            self.note_history(party, self.f.ledger.application.info().height + 1)

    def note_history(self, party: bytes, height: int) -> None:
        known = self.model[party]
        known.history[height] = (known.status, tuple(sorted(known.keys)))

    def submit(self, instruction: Instruction, keys: list[Key], expected: bool) -> bool:
        """Runs a block of one transaction; due items of that block were applied to the model before."""
        answer = self.f.ledger.submit(instruction, keys=keys)
        assert (answer.failure is None) == expected, answer.failure
        return expected

    def changed(self, party: bytes) -> None:
        self.note_history(party, self.f.ledger.application.info().height)

    def authorised(self, party: bytes, signed: set[int], role: str, threshold: int) -> bool:
        """Exactly as many as are needed, all of them the party's with the role."""
        held = self.model[party].keys
        return len(signed) == threshold and all(role in held.get(number, ()) for number in signed)

    def taken(self) -> set[int]:
        open_parties = [p for p in self.model.values() if p.status != "closed"]
        held = {number for party in open_parties for number in party.keys}
        return held | {number for waiting in self.recoveries.values() for number in waiting.keys}

    @staticmethod
    def reachable(keys: dict[int, Roles], signing: int, administering: int) -> bool:
        signs = sum("sign" in r for r in keys.values())
        administers = sum("administer" in r for r in keys.values())
        return signs >= signing and administers >= administering and len(keys) <= 4

    @staticmethod
    def granted(keys: dict[int, Roles]) -> tuple[PartyKey, ...]:
        order: tuple[KeyRole, ...] = ("read", "sign", "administer")
        return tuple(
            PartyKey(KEYS[n].public, tuple(r for r in order if r in held)) for n, held in keys.items()
        )

    @staticmethod
    def policy(signing: int, administering: int) -> Policy:
        return Policy(administering, (PolicyRule("*", signing),))

    @initialize()
    def two_parties(self) -> None:
        self.register("bank", {0: EVERYTHING}, 1, 1, 1, willing=False)
        self.register("rival", {1: EVERYTHING, 2: EVERYTHING}, 2, 1, None, willing=False)

    @rule(
        sponsor=st.sampled_from(SPONSORS), keys=key_sets, signing=thresholds, administering=thresholds,
        number=st.none() | st.integers(1, 2), willing=mostly,
    )  # fmt: skip
    def register(
        self, sponsor: str, keys: dict[int, Roles], signing: int, administering: int, number: int | None,
        willing: bool,
    ) -> None:  # fmt: skip
        self.run_due()
        if willing:
            keys, signing, administering = self.free(keys), 1, 1
        identifiers = () if number is None else (Identifier("0199", lei(number)),)
        message = RegisterParty(
            self.f.ids[sponsor], self.f.ledger.salt(), "organisation", self.granted(keys), "Example",
            identifiers=identifiers, policy=self.policy(signing, administering),
        )  # fmt: skip
        held = [p.lei for p in self.model.values() if p.status != "closed" and p.lei is not None]
        fits = self.reachable(keys, signing, administering) and not self.taken() & keys.keys()
        if self.submit(message, [self.f.keys[sponsor]], fits and number not in held):
            party = party_id(message.party, message.salt)
            self.model[party] = Modelled(sponsor, keys, signing, administering, number)
            self.changed(party)

    @rule(
        choice=st.integers(0, 9), added=key_sets, removed=st.sets(key_numbers, max_size=2), signed=signers,
        policy=st.none() | st.tuples(thresholds, thresholds), willing=mostly,
    )  # fmt: skip
    def change_keys(
        self, choice: int, added: dict[int, Roles], removed: set[int], signed: set[int],
        policy: tuple[int, int] | None, willing: bool,
    ) -> None:  # fmt: skip
        party = self.chosen(choice)
        if party is None:
            return
        self.run_due()
        known = self.model[party]
        if willing:
            signed = self.enough(party, "administer", known.administering)
            added = {**self.free(added), **{n: r for n, r in added.items() if n in known.keys}}
            removed = {n for n in removed if n in known.keys and n not in added}
        new = {number: held for number, held in added.items() if number not in known.keys}
        change = {number: held for number, held in added.items() if number in known.keys}
        signing, administering = policy or (known.signing, known.administering)
        own = set(self.recoveries[party].keys) if party in self.recoveries else set()
        after = {n: held for n, held in {**known.keys, **added}.items() if n not in removed}
        expected = (
            known.status == "active"
            and self.authorised(party, signed, "administer", known.administering)
            and not removed & added.keys()
            and removed <= known.keys.keys()
            and not (self.taken() - own) & new.keys()
            and self.reachable(after, signing, administering)
        )
        given = None if policy is None else self.policy(*policy)
        gone = tuple(KEYS[n].public for n in sorted(removed))
        message = ChangeKeys(party, self.granted(new), self.granted(change), gone, given)
        if self.submit(message, [KEYS[n] for n in signed], expected):
            self.recoveries.pop(party, None)
            self.model[party] = replace(known, keys=after, signing=signing, administering=administering)
            self.changed(party)

    @rule(choice=st.integers(0, 9), signed=signers, willing=mostly)
    def act(self, choice: int, signed: set[int], willing: bool) -> None:
        party = self.chosen(choice)
        if party is None:
            return
        self.run_due()
        known = self.model[party]
        if willing:
            signed = self.enough(party, "sign", known.signing)
        authorised = self.authorised(party, signed, "sign", known.signing)
        self.submit(Note(party), [KEYS[n] for n in signed], known.status == "active" and authorised)

    @rule(
        choice=st.integers(0, 9), sponsor=st.sampled_from(SPONSORS),
        status=st.sampled_from(["active", "active", "suspended", "closed"]), willing=mostly,
    )  # fmt: skip
    def set_status(self, choice: int, sponsor: str, status: Status, willing: bool) -> None:
        party = self.chosen(choice)
        if party is None:
            return
        self.run_due()
        known = self.model[party]
        sponsor = known.sponsor if willing else sponsor
        expected = known.sponsor == sponsor and known.status not in ("closed", status)
        message = SetStatus(self.f.ids[sponsor], party, status, "reason")
        if self.submit(message, [self.f.keys[sponsor]], expected):
            self.model[party] = replace(known, status=status)
            if status == "closed":
                self.recoveries.pop(party, None)
            self.changed(party)

    @rule(choice=st.integers(0, 9), sponsor=st.sampled_from(SPONSORS), keys=key_sets, willing=mostly)
    def begin_recovery(self, choice: int, sponsor: str, keys: dict[int, Roles], willing: bool) -> None:
        party = self.chosen(choice)
        if party is None:
            return
        self.run_due()
        known = self.model[party]
        if willing:
            sponsor, keys = known.sponsor, self.free(keys)
        expected = (
            known.sponsor == sponsor
            and known.status != "closed"
            and party not in self.recoveries
            and self.reachable(keys, 1, 1)
            and not self.taken() & keys.keys()
        )
        message = BeginRecovery(self.f.ids[sponsor], party, self.granted(keys), self.policy(1, 1))
        if self.submit(message, [self.f.keys[sponsor]], expected):
            self.recoveries[party] = Waiting(keys, self.f.ledger.time_ms + DELAY)

    @rule(choice=st.integers(0, 9), key=key_numbers, willing=mostly)
    def cancel_recovery(self, choice: int, key: int, willing: bool) -> None:
        party = next(iter(self.recoveries)) if willing and self.recoveries else self.chosen(choice)
        if party is None:
            return
        self.run_due()
        known = self.model[party]
        key = next(iter(known.keys)) if willing else key
        may = bool(known.keys.get(key, frozenset()) & {"sign", "administer"}) and known.status != "closed"
        if self.submit(CancelRecovery(party, party), [KEYS[key]], may and party in self.recoveries):
            del self.recoveries[party]

    @rule(blocks=st.integers(1, 3))
    def wait(self, blocks: int) -> None:
        for _ in range(blocks):
            self.f.ledger.time_ms += 19_000
            self.run_due()
            self.f.ledger.run_block()

    def chosen(self, choice: int) -> bytes | None:
        ids = list(self.model)
        return ids[choice % len(ids)] if ids else None

    def free(self, keys: dict[int, Roles]) -> dict[int, Roles]:
        """The keys that nobody has, and one more that can do everything, while there is one."""
        untaken = [number for number in range(len(KEYS)) if number not in self.taken()]
        return {n: held for n, held in keys.items() if n in untaken} | dict.fromkeys(untaken[:1], EVERYTHING)

    def enough(self, party: bytes, role: str, threshold: int) -> set[int]:
        able = [number for number, held in self.model[party].keys.items() if role in held]
        return set(able[:threshold])

    @invariant()
    def every_party_is_as_modelled(self) -> None:
        state, keeper = self.f.ledger.application.state, self.f.party.keeper
        for party, known in self.model.items():
            record = keeper.get(state, party)
            assert record is not None
            held = {entry.key: frozenset(entry.roles) for entry in record.keys}
            assert held == {KEYS[n].public: r for n, r in known.keys.items()}
            assert record.status == known.status
            assert (keeper.recovery(state, party) is not None) == (party in self.recoveries)
        assert self.f.ledger.check_invariants() == []
        assert self.f.ledger.alarms == []

    @invariant()
    def every_index_is_as_modelled(self) -> None:
        state, keeper = self.f.ledger.application.state, self.f.party.keeper
        open_parties = {p: known for p, known in self.model.items() if known.status != "closed"}
        owners = {number: party for party, known in open_parties.items() for number in known.keys}
        assert [keeper.party_of_key(state, key.public) for key in KEYS] == [
            owners.get(n) for n in range(len(KEYS))
        ]
        leis = {known.lei: party for party, known in open_parties.items()}
        assert [keeper.party_by_lei(state, lei(n)) for n in (1, 2)] == [leis.get(1), leis.get(2)]

    def teardown(self) -> None:
        """Every version that ever was can be read as of its height."""
        state, keeper = self.f.ledger.application.state, self.f.party.keeper
        for party, known in self.model.items():
            for height, (status, numbers) in known.history.items():
                record = keeper.as_of(state, height, party)
                assert record is not None
                assert (record.status, [k.key for k in record.keys]) == (
                    status, sorted(KEYS[n].public for n in numbers),
                )  # fmt: skip


TestParties = PartyMachine.TestCase
TestParties.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
