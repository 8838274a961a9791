"""The model of parties' keys and policies, their recovery, capabilities, proposals and parameters."""

from typing import Any

from torture.model import Books, Handler, KeyEntry, Needed, needed_keys, require
from traco.kernel import operations as kernel
from traco.kernel.codec import derive_id, digest
from traco.modules.party import messages as m
from traco.modules.party.state import KEY_ROLES, PartyKey, Policy, PolicyRule

RECOVERY, PROPOSAL_EXPIRY = "party.recovery", "kernel.proposal_expiry"
LONGEST_MS = 30 * 86_400_000
MAX_RULES = 16


def normal(keys: tuple[PartyKey, ...]) -> tuple[KeyEntry, ...]:
    """Keys as the model keeps them: ascending, each role once and in its order."""
    return tuple(
        sorted((entry.key, tuple(role for role in KEY_ROLES if role in entry.roles)) for entry in keys)
    )


def require_member(books: Books, party: bytes) -> None:
    """The party is an active member."""
    require(books.require_active(party)["member"], "party.not_member")


def require_council(books: Books, acting: tuple[bytes, ...]) -> None:
    """The council of this network is one party."""
    require(acting == books.council, "kernel.council_needed")


def sponsored(books: Books, sponsor: bytes, subject: bytes) -> dict[str, Any]:
    """The party that the sponsor vouches for, which is not closed."""
    row = books.parties.get(subject)
    require(row is not None, "party.not_found")
    assert row is not None
    require(row["sponsor"] == sponsor != subject, "party.not_sponsor")
    require(row["status"] != "closed", "party.closed")
    return row


def check_distinct(keys: list[bytes]) -> None:
    """No key is named twice."""
    require(len(dict.fromkeys(keys)) == len(keys), "party.key_repeated")


def check_authority(books: Books, keys: tuple[KeyEntry, ...], policy: Policy) -> None:
    """Whether keys and policy fit each other."""
    require(len(keys) <= books.limit("party", "max_keys"), "party.limit_exceeded")
    require(len(policy.rules) <= MAX_RULES, "party.limit_exceeded")
    for index, rule in enumerate(policy.rules):
        hidden = any(_covers(earlier, rule) for earlier in policy.rules[:index])
        reserved = rule.policy_class in ("administer", "approve")
        require(not hidden and not reserved, "party.rule_unreachable")
    most = max([1, *(rule.threshold for rule in policy.rules)])
    signing = sum("sign" in roles for _, roles in keys)
    administering = sum("administer" in roles for _, roles in keys)
    enough = signing >= most and administering >= policy.administer_threshold
    require(enough, "party.policy_unreachable")


def _covers(earlier: PolicyRule, later: PolicyRule) -> bool:
    wider = earlier.policy_class in ("*", later.policy_class)
    if earlier.band is None or later.band is None:
        return wider and earlier.band is None
    same = earlier.band.instrument == later.band.instrument
    return wider and same and earlier.band.up_to >= later.band.up_to


def check_free(books: Books, keys: tuple[KeyEntry, ...], besides: bytes = b"") -> None:
    """No other party has these keys, and no recovery reserves them."""
    open_parties = [(key, row) for key, row in books.parties.items() if row["status"] != "closed"]
    taken = [entry[0] for party, row in open_parties if party != besides for entry in row["keys"]]
    taken += [entry[0] for row in books.recoveries.values() for entry in row["keys"]]
    require(not any(key in taken for key, _ in keys), "party.key_taken")


def register(books: Books, message: m.RegisterParty, time_ms: int) -> None:
    """A member vouches for a new party."""
    require_member(books, message.party)
    keys = normal(message.keys)
    check_distinct([key for key, _ in keys])
    check_authority(books, keys, message.policy)
    party = derive_id("party", message.party, message.salt)
    require(party not in books.parties, "party.exists")
    check_free(books, keys)
    books.parties[party] = {
        "keys": keys, "policy": message.policy, "status": "active", "member": False, "sponsor": message.party,
        "roles": (),
    }  # fmt: skip


def set_status(books: Books, message: m.SetStatus, time_ms: int) -> None:
    """A member suspends, reactivates or closes a party that it vouches for."""
    require_member(books, message.party)
    sponsored(books, message.party, message.subject)
    _set_status(books, message)


def decide_status(books: Books, message: m.DecideStatus, time_ms: int) -> None:
    """The council suspends, reactivates or closes a member."""
    require_council(books, message.parties)
    row = books.parties.get(message.subject)
    require(row is not None, "party.not_found")
    assert row is not None
    require(row["member"], "party.not_member")
    stays = message.status == "active" or message.subject not in books.council
    require(stays, "party.council_unreachable")
    require(row["status"] != "closed", "party.closed")
    _set_status(books, message)
    check_node_stays(books)


def _set_status(books: Books, message: m.SetStatus | m.DecideStatus) -> None:
    row = books.parties[message.subject]
    require(row["status"] != message.status, "party.status_unchanged")
    row["status"] = message.status
    if message.status == "closed":
        books.recoveries.pop(message.subject, None)
        for key in _nodes_of(books, message.subject):
            del books.nodes[key]


def _nodes_of(books: Books, member: bytes) -> list[bytes]:
    return [key for key, row in books.nodes.items() if row["member"] == member]


def check_node_stays(books: Books) -> None:
    """Something can still be submitted."""
    require(any(books.member_of_node(key) for key in books.nodes), "party.last_node")


def register_node(books: Books, message: m.RegisterNode, time_ms: int) -> None:
    """A member has one more node."""
    require_member(books, message.party)
    own = _nodes_of(books, message.party)
    require(message.key not in own, "party.node_taken")
    require(len(own) < books.limit("party", "max_nodes"), "party.limit_exceeded")
    require(message.key not in books.nodes, "party.node_taken")
    books.nodes[message.key] = {"member": message.party}


def retire_node(books: Books, message: m.RetireNode, time_ms: int) -> None:
    """A member has one node less."""
    require_member(books, message.party)
    require(message.key in _nodes_of(books, message.party), "party.node_unknown")
    del books.nodes[message.key]
    check_node_stays(books)


def change_keys(books: Books, message: m.ChangeKeys, time_ms: int) -> None:
    """A party changes its own keys and policy."""
    row = books.parties[message.party]
    changed = [entry.key for entry in message.change]
    check_distinct([*(entry.key for entry in message.add), *changed, *message.remove])
    held = {key: PartyKey(key, roles) for key, roles in row["keys"]}
    require(all(key in held for key in (*changed, *message.remove)), "party.key_unknown")
    require(not any(entry.key in held for entry in message.add), "party.key_taken")
    held.update({entry.key: entry for entry in (*message.add, *message.change)})
    keys = normal(tuple(entry for key, entry in held.items() if key not in message.remove))
    policy = row["policy"] if message.policy is None else message.policy
    check_authority(books, keys, policy)
    books.recoveries.pop(message.party, None)
    check_free(books, keys, message.party)
    row["keys"], row["policy"] = keys, policy


def begin_recovery(books: Books, message: m.BeginRecovery, time_ms: int) -> None:
    """A member asks for new keys of a party that lost its own."""
    require_member(books, message.party)
    sponsored(books, message.party, message.subject)
    require(message.subject not in books.recoveries, "party.recovery_open")
    keys = normal(message.keys)
    check_distinct([key for key, _ in keys])
    check_authority(books, keys, message.policy)
    check_free(books, keys)
    due = time_ms + books.limit("party", "recovery_delay_ms")
    books.recoveries[message.subject] = {
        "sponsor": message.party, "keys": keys, "policy": message.policy, "due": due,
    }  # fmt: skip


def cancel_recovery(books: Books, message: m.CancelRecovery, time_ms: int) -> None:
    """The subject or its sponsor ends a recovery."""
    subject = books.parties.get(message.subject)
    require(subject is not None, "party.not_found")
    assert subject is not None
    require(message.party in (message.subject, subject["sponsor"]), "party.not_sponsor")
    require(message.subject in books.recoveries, "party.recovery_none")
    del books.recoveries[message.subject]


def recover(books: Books, subject: bytes) -> None:
    """The delay of a recovery is over."""
    recovery = books.recoveries.pop(subject)
    if books.parties[recovery["sponsor"]]["status"] == "active":
        books.parties[subject].update(keys=recovery["keys"], policy=recovery["policy"])


def recoveries_due(books: Books) -> list[tuple[int, str, bytes]]:
    """The recoveries and the ends of proposals to come."""
    recovering = [(row["due"], RECOVERY, key) for key, row in books.recoveries.items()]
    return recovering + [(row["expires"], PROPOSAL_EXPIRY, key) for key, row in books.proposals.items()]


def grant_role(books: Books, message: m.GrantRole, time_ms: int) -> None:
    """The council gives a capability."""
    require_council(books, message.parties)
    row = books.require_active(message.subject)
    require(message.role not in row["roles"], "party.role_held")
    row["roles"] = tuple(sorted((*row["roles"], message.role)))


def revoke_role(books: Books, message: m.RevokeRole, time_ms: int) -> None:
    """The council takes a capability back."""
    require_council(books, message.parties)
    row = books.parties.get(message.subject)
    require(row is not None, "party.not_found")
    assert row is not None
    require(message.role in row["roles"], "party.role_not_held")
    row["roles"] = tuple(role for role in row["roles"] if role != message.role)


# the kernel's own instructions


def set_parameters(books: Books, message: kernel.SetParameters, time_ms: int) -> None:
    """The council replaces a record of parameters."""
    require_council(books, message.parties)
    owner, values = books.records.get(message.record, ("", {}))
    require(owner == message.owner, "kernel.parameters_invalid")
    books.parameters[owner.encode()] = dict(values)


def propose(books: Books, message: kernel.Propose, time_ms: int) -> None:
    """An operation waits for more keys of the party."""
    require(time_ms < message.expires_ms <= time_ms + LONGEST_MS, "kernel.proposal_life")
    require(message.operation in books.operations, "kernel.operation_malformed")
    inner = books.operations[message.operation]
    for instruction in inner:
        alone = instruction.actors() == (message.party,) and instruction.policy_class != "approve"
        require(alone, "kernel.proposal_foreign")
    require(bool(inner), "kernel.operation_malformed")
    parts = (books.network, message.party, message.salt, message.operation)
    proposal = digest(b"traco/proposal/1", *parts)
    require(proposal not in books.proposals, "kernel.approved_before")
    books.proposals[proposal] = {
        "party": message.party, "operation": message.operation, "expires": message.expires_ms, "approvals": (),
    }  # fmt: skip
    _add_approvals(books, proposal, time_ms)


def _open(books: Books, party: bytes, proposal: bytes) -> dict[str, Any]:
    row = books.proposals.get(proposal)
    require(row is not None and row["party"] == party, "kernel.proposal_unknown")
    assert row is not None
    return row


def approve(books: Books, message: kernel.Approve, time_ms: int) -> None:
    """More keys approve."""
    row = _open(books, message.party, message.proposal)
    require(row["expires"] > time_ms, "kernel.proposal_unknown")
    _add_approvals(books, message.proposal, time_ms)


def _add_approvals(books: Books, proposal: bytes, time_ms: int) -> None:
    row = books.proposals[proposal]
    inner = books.operations[row["operation"]]
    needs: list[Needed] = [needed_keys(books.parties[row["party"]], each) for each in inner]
    counted = [key for need in needs for key in need.keys]
    added = [key for key in books.signers if key in counted and key not in row["approvals"]]
    require(bool(added), "kernel.approved_before")
    row["approvals"] = (*row["approvals"], *added)
    if any(sum(key in need.keys for key in row["approvals"]) < need.threshold for need in needs):
        return
    del books.proposals[proposal]
    books.require_active(row["party"])
    for instruction in inner:
        books.handlers[type(instruction)](books, instruction, time_ms)


def withdraw(books: Books, message: kernel.Withdraw, time_ms: int) -> None:
    """A proposal is taken back."""
    _open(books, message.party, message.proposal)
    del books.proposals[message.proposal]


def lapse(books: Books, proposal: bytes) -> None:
    """A proposal's time is over."""
    del books.proposals[proposal]


KEY_HANDLERS: dict[type[Any], Handler] = {
    m.RegisterParty: register, m.SetStatus: set_status, m.ChangeKeys: change_keys, m.BeginRecovery: begin_recovery,
    m.DecideStatus: decide_status, m.RegisterNode: register_node, m.RetireNode: retire_node,
    m.CancelRecovery: cancel_recovery, m.GrantRole: grant_role, m.RevokeRole: revoke_role,
    kernel.SetParameters: set_parameters, kernel.Propose: propose, kernel.Approve: approve, kernel.Withdraw: withdraw,
}  # fmt: skip
