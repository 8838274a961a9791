"""Attacks on the node's time: cheap instructions that would cost much, and answers that would depend on the machine."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from modules.document.desk import SERVICE
from modules.financing.desk import Desk
from support.ledger import Key
from traco.kernel.codec import ROOT, encode
from traco.kernel.screening import DirectScreener
from traco.kernel.transaction import Body
from traco.modules.document import invariants
from traco.modules.document.messages import RegisterDocument, document_id
from traco.modules.document.state import index_parts
from traco.modules.document.statement import (
    Fingerprints,
    FingerprintStatement,
    SignedStatement,
    statement_message,
)

T = TypeVar("T")
PER_STRENGTH = 8


def hashes(*names: Any) -> tuple[bytes, ...]:
    return tuple(sha256(repr((names, number)).encode()).digest() for number in range(PER_STRENGTH))


def registration(desk: Desk, number: int, amends: bytes | None) -> RegisterDocument:
    """A registration with many fingerprints that nothing else has, under all the versions that there may be."""
    message = desk.registration()
    stated = tuple(
        Fingerprints(
            1, version, hashes(number, version)[0], hashes("s", number, version), hashes("w", number, version)
        )
        for version in (4, 3, 2, 1)
    )
    made = FingerprintStatement(
        desk.ledger.application.network, ROOT, SERVICE.public, message.content_commitment, stated
    )
    signed = SignedStatement(made, SERVICE.sign(statement_message(made)))
    return replace(message, statement=signed, amends=amends)


def test_the_check_of_a_document_with_a_history_lists_its_fingerprints_a_few_times_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once per index entry made an amendment cost time in the square of its fingerprints: a third of a second."""
    desk, amended = Desk(), None
    listed: list[int] = []

    def counting(found_by: Any) -> dict[bytes, int]:
        parts = index_parts(found_by)
        listed.append(len(parts))
        return parts

    monkeypatch.setattr(invariants, "index_parts", counting)
    for number in range(5):
        listed.clear()
        message = registration(desk, number, amended)
        desk.do("seller", message)
        amended = document_id(message.party, message.salt)
    assert max(listed) == 5 * 4 * (1 + 2 * PER_STRENGTH)
    assert len(listed) <= 6


def deeper(frames: int, action: Callable[[], T]) -> T:
    """What ``action`` gives when it is called that much deeper in the stack."""
    return action() if frames == 0 else deeper(frames - 1, action)


def test_the_reason_of_a_refusal_does_not_depend_on_the_stack_of_the_process() -> None:
    """Reasons are stored with the block and compared by the audit."""
    desk = Desk()
    screener = DirectScreener(desk.founding.registry.body, desk.founding.genesis.kernel_parameters())
    body = encode(Body(desk.ledger.application.network, ROOT, desk.ledger.time_ms + 1, bytes(16), ()))
    for depth in range(50, 1_200, 50):
        nested = body[:-1] + b"\x91" * depth + b"\x90"
        raw = b"\x92" + nested + b"\x90"
        shallow, deep = screener.screen([raw])[0], deeper(300, lambda raw=raw: screener.screen([raw])[0])  # type: ignore[misc]
        assert shallow == deep


def test_no_nesting_of_bytes_is_accepted_or_raises() -> None:
    desk = Desk()
    for depth in (10, 100, 1_000, 60_000):
        wire = b"\x92" + b"\x91" * depth + b"\x90" + b"\x90"
        answer = desk.ledger.run_block(
            [wire, desk.ledger.transaction([desk.payout("bank", None)], Key("bank"))]
        )
        assert answer[0].failure is not None
        assert answer[0].failure.code == "transaction.malformed"
        assert answer[1].failure is None
