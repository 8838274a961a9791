"""Who may sign for whom: the kernel's ``Authority``, answered from the parties' keys and policies.

policy class of the instruction    keys                   threshold
administer                         that may administer    the policy's administer_threshold
approve                            sign or administer     1
node                               of the party's nodes   1
any other                          that may sign          of the first rule that fits, else 1
"""

from typing import Final, NamedTuple

from traco.kernel.instruction import Instruction
from traco.kernel.module import Requirement
from traco.kernel.state import State
from traco.modules.party.ports import Registered
from traco.modules.party.state import (
    ADMINISTER,
    ANY_CLASS,
    APPROVE,
    NODE,
    Party,
    PolicyRule,
    keys_with,
)

PREPARED_LIMIT: Final = 100_000  # parties whose requirements are kept ready; a cache, never consensus


class _Prepared(NamedTuple):
    """The requirements of one version of a party. Holds the record, so that identity with it means being current."""

    record: Party
    administer: Requirement
    approve: Requirement
    node: Requirement
    default: Requirement
    rules: tuple[tuple[PolicyRule, Requirement], ...]


class PartyAuthority:
    """Answers from the state it is given; what it remembers only spares work."""

    def __init__(self, keeper: Registered) -> None:
        self._keeper = keeper
        self._prepared: dict[bytes, _Prepared] = {}

    def requirement(self, state: State, party: bytes, instruction: Instruction) -> Requirement | None:
        """What ``party`` asks for ``instruction`` now, or None where the party is not registered.

        Closed parties have an answer too: that they cannot act is a rejection with a receipt (see ``admission``).
        """
        record = self._keeper.get(state, party)
        if record is None:
            return None
        prepared = self._prepared.get(party)
        if prepared is None or prepared.record is not record:
            prepared = self._prepare(party, record)
        policy_class = instruction.policy_class
        if policy_class == ADMINISTER:
            return prepared.administer
        if policy_class == APPROVE:
            return prepared.approve
        if policy_class == NODE:
            return prepared.node
        if not prepared.rules:
            return prepared.default
        return _first_match(prepared, instruction, policy_class)

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The member whose active node has this key, or None; a suspended member's nodes are not active."""
        return self._keeper.member_of_node(state, key)

    def council(self, state: State) -> tuple[tuple[bytes, ...], int]:
        """The members of the council and how many of them must act together."""
        council = self._keeper.council(state)
        return council.members, council.threshold

    def _prepare(self, party: bytes, record: Party) -> _Prepared:
        if len(self._prepared) >= PREPARED_LIMIT:
            self._prepared.clear()
        signing = frozenset(keys_with(record.keys, "sign"))
        administering = frozenset(keys_with(record.keys, "administer"))
        policy = record.policy
        prepared = _Prepared(
            record,
            Requirement(administering, policy.administer_threshold),
            Requirement(signing | administering, 1),
            Requirement(frozenset(record.membership.nodes if record.membership else ()), 1),
            Requirement(signing, 1),
            tuple((rule, Requirement(signing, rule.threshold)) for rule in policy.rules),
        )
        self._prepared[party] = prepared
        return prepared


def _first_match(prepared: _Prepared, instruction: Instruction, policy_class: str) -> Requirement:
    at_risk = instruction.amount_at_risk()
    for rule, requirement in prepared.rules:
        if rule.policy_class not in (ANY_CLASS, policy_class):
            continue
        if rule.band is None:
            return requirement
        if at_risk is not None and at_risk[0] == rule.band.instrument and at_risk[1] <= rule.band.up_to:
            return requirement
    return prepared.default
