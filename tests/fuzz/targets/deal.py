"""A file of a settlement across channels that comes from another party is read, or refused with a code; what is read is written alike.

If broken: a command ends in a trace instead of an answer; or terms are believed that nobody agreed on.
"""

from pathlib import Path

from fuzz.claims import require
from fuzz.mutation import of_json
from support.town import NamedKey
from traco.cli.deal_files import read_any
from traco.cli.problems import CommandProblem
from traco.client.channel_deals import (
    AgreedTerms,
    DealInvalid,
    DraftLeg,
    agree,
    draft_leg,
    require_leg,
    sign_root_leg,
    to_file,
)
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT
from traco.modules.channel.signing import terms_id
from traco.modules.leg.messages import LegContent

mutate = of_json

_NETWORK = b"n" * 32


def samples() -> dict[str, bytes]:
    """A genuine file of each kind."""
    legs = [_leg(ledger) for ledger in (b"c" * 32, ROOT)]
    terms = agree(_NETWORK, [leg.public() for leg in legs], 1_000_000, salt=bytes(32))
    ready = sign_root_leg(terms, legs[1], [NamedKey("alice")])
    return {
        "leg": to_file(legs[0]), "public": to_file(legs[0].public()), "terms": to_file(terms), "root-leg": to_file(ready),
    }  # fmt: skip


def _leg(ledger: bytes) -> DraftLeg:
    moved = Movement(b"i" * 16, b"f" * 16, b"r" * 16, 10, b"rent")
    attesters = [b"b" * 16] if ledger else []
    return draft_leg(_NETWORK, ledger, LegContent((moved,)), [b"a" * 16], attesters, salt=b"s" * 32)


def check(raw: bytes, folder: Path) -> None:
    """Read it; judge terms by their id, and a leg by terms that commit to another one."""
    path = folder / "it.leg"
    path.write_bytes(raw)
    try:
        found = read_any(path)
    except CommandProblem as problem:
        require(problem.problem.code == "deal.file", problem.problem.code)
        return
    except DealInvalid as invalid:
        require(invalid.code.startswith("deal."), invalid.code)
        return
    path.write_bytes(to_file(found))
    require(read_any(path) == found, "it is read otherwise than it was written")
    if isinstance(found, AgreedTerms):
        require(found.id == terms_id(found.network, found.terms), "terms of another id are believed")
    if isinstance(found, DraftLeg):
        _judge(found)


def _judge(found: DraftLeg) -> None:
    genuine = _leg(b"c" * 32)
    terms = agree(_NETWORK, [genuine.public(), _leg(ROOT).public()], 1_000_000, salt=bytes(32))
    try:
        require_leg(terms, found)
    except DealInvalid:
        return
    # who signs it is no part of what the terms commit to: each party says for itself
    same = (found.ledger, found.salt, found.content, found.attesters, found.edges)
    expected = (genuine.ledger, genuine.salt, genuine.content, genuine.attesters, genuine.edges)
    require(same == expected or found.ledger == ROOT, "another leg is taken for the one of the terms")
