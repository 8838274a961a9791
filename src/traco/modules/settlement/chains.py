"""How the parts of a batch fit together: settlement outside the ledger, and chains of legs that pass value on.

A chain begins with an own holding and ends in an account; custodians between never hold the value. Pure functions.
"""

from collections.abc import Sequence

from traco.modules.settlement.errors import (
    ChainTooLong,
    EvidenceDiffers,
    LegUnknown,
    PassThroughCycle,
    PassThroughMismatch,
)
from traco.modules.settlement.messages import (
    Allocation,
    Approval,
    IntoAccount,
    OutsideProof,
    PassedOn,
    PassThrough,
    SettlementInstruction,
    TakenOutside,
)

Allocated = Sequence[Allocation | None]
Approved = Sequence[Approval | None]


def check_fit(
    legs: Sequence[SettlementInstruction], allocations: Allocated, approvals: Approved, max_chain: int
) -> None:
    """What is given so far fits together; what is not given yet (None) fits everything.

    Each pair is checked when its second half is given, so that a complete batch is consistent.
    Raises ``EvidenceDiffers``, ``LegUnknown``, ``PassThroughMismatch``, ``PassThroughCycle``, ``ChainTooLong``.
    """
    for leg, allocation in enumerate(allocations):
        approval = approvals[leg]
        if isinstance(allocation, PassThrough):
            _check_link(legs, allocation.leg, leg)
            _check_said(approvals[allocation.leg], PassedOn(leg), allocation.leg, leg)
            _check_chain(allocations, leg, max_chain)
        if isinstance(approval, PassedOn):
            _check_link(legs, leg, approval.leg)
            _check_said(allocations[approval.leg], PassThrough(leg), leg, approval.leg)
        if isinstance(allocation, OutsideProof) or isinstance(approval, TakenOutside):
            _check_evidence(allocation, approval, leg)


def destination(approvals: Approved, leg: int) -> bytes:
    """The account in which the chain that begins with ``leg`` ends; the batch is complete."""
    approval = approvals[leg]
    while isinstance(approval, PassedOn):
        approval = approvals[approval.leg]
    if not isinstance(approval, IntoAccount):
        raise ValueError("a chain of a complete batch ends in an account")
    return approval.account


def _check_link(legs: Sequence[SettlementInstruction], source: int, leg: int) -> None:
    for index in (source, leg):
        if index >= len(legs):
            raise LegUnknown(index, len(legs))
    before, after = legs[source], legs[leg]
    fits = (
        before.receiver == after.sender
        and before.instrument == after.instrument
        and before.amount == after.amount
    )
    if not fits:
        raise PassThroughMismatch(source, leg)


def _check_said(
    found: Allocation | Approval | None, expected: PassedOn | PassThrough, source: int, leg: int
) -> None:
    if found is not None and found != expected:
        raise PassThroughMismatch(source, leg)


def _check_chain(allocations: Allocated, leg: int, max_chain: int) -> None:
    """Follow the chain back from ``leg`` to its beginning, or to what is not given yet."""
    chain, allocation = [leg], allocations[leg]
    while isinstance(allocation, PassThrough):
        if allocation.leg in chain:
            raise PassThroughCycle(allocation.leg)
        chain.append(allocation.leg)
        if len(chain) > max_chain:
            raise ChainTooLong(leg, max_chain)
        allocation = allocations[allocation.leg]


def _check_evidence(allocation: Allocation | None, approval: Approval | None, leg: int) -> None:
    if allocation is None or approval is None:
        return
    agreed = (
        isinstance(allocation, OutsideProof)
        and isinstance(approval, TakenOutside)
        and allocation.evidence == approval.evidence
    )
    if not agreed:
        raise EvidenceDiffers(leg)
