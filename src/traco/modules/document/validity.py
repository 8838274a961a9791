"""What a registration must be like in itself: roles, dates, references, and the fingerprint service's statement."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from traco.kernel.crypto import SignatureInvalid, verify
from traco.kernel.module import BlockContext
from traco.modules.document.errors import (
    AmountUndisclosed,
    CreditInvalid,
    DateInvalid,
    LimitExceeded,
    RoleRepeated,
    RoleUnspecified,
    SellerIsBuyer,
    ServiceUnknown,
    StatementContent,
    StatementForeign,
    StatementForged,
    VersionMissing,
    VersionsDisordered,
)
from traco.modules.document.messages import (
    BUYER,
    CREDIT_NOTE,
    CREDITS,
    SELLER,
    DocumentReference,
    NamedParty,
    RegisterDocument,
    document_id,
)
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.state import ServiceKey
from traco.modules.document.statement import FingerprintStatement, statement_message

_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2


def check_form(message: RegisterDocument, limits: DocumentParameters) -> None:
    """Roles, dates and references are right in themselves.

    Raises ``LimitExceeded``, ``RoleRepeated``, ``RoleUnspecified``, ``SellerIsBuyer``, ``DateInvalid``,
    ``CreditInvalid``, ``AmountUndisclosed``.
    """
    _check_roles(message.roles, limits.max_roles)
    for field, value in (("issue_date", message.issue_date), ("due_date", message.due_date)):
        if value is not None and not is_day(value):
            raise DateInvalid(field, value)
    _check_limit("references", len(message.references), limits.max_references)
    if _credits(message.references) > (1 if message.kind == CREDIT_NOTE else 0):
        raise CreditInvalid
    if _credits(message.references) and message.payable is None:
        # what an invoice is reduced by must be known
        raise AmountUndisclosed(document_id(message.party, message.salt))


def check_statement(
    message: RegisterDocument, block: BlockContext, keys: Sequence[ServiceKey], limits: DocumentParameters
) -> None:
    """The statement was made by a fingerprint service of this ledger, for this content, under the versions needed.

    Raises ``StatementForeign``, ``StatementContent``, ``ServiceUnknown``, ``StatementForged``, ``LimitExceeded``,
    ``VersionsDisordered``, ``VersionMissing``.
    """
    statement, signature = message.statement.statement, message.statement.signature
    if (statement.network, statement.ledger) != (block.network, block.ledger):
        raise StatementForeign
    if statement.content_commitment != message.content_commitment:
        raise StatementContent(statement.content_commitment)
    if all(entry.key != statement.service for entry in keys):
        raise ServiceUnknown(statement.service)
    try:
        verify(statement.service, statement_message(statement), signature)
    except SignatureInvalid:
        raise StatementForged from None
    _check_versions(statement, keys)
    for entry in statement.fingerprints:
        _check_limit("strong fingerprints", len(entry.strong), limits.max_fingerprints)
        _check_limit("weak fingerprints", len(entry.weak), limits.max_fingerprints)


def is_day(value: str) -> bool:
    """Whether an ISO date (of the form that the codec admits) is a day of the Gregorian calendar."""
    year, month, day = int(value[:4]), int(value[5:7]), int(value[8:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _DAYS[month - 1] + (1 if leap and month == _FEBRUARY else 0)


def _check_roles(roles: Sequence[NamedParty], limit: int) -> None:
    _check_limit("roles", len(roles), limit)
    by_role: dict[str, NamedParty] = {}
    for named in roles:
        if named.role in by_role:
            raise RoleRepeated(named.role)
        if (named.party is None) == (named.identifier is None):
            raise RoleUnspecified(named.role)
        by_role[named.role] = named
    if SELLER in by_role and BUYER in by_role and _same(by_role[SELLER], by_role[BUYER]):
        raise SellerIsBuyer


def _same(one: NamedParty, other: NamedParty) -> bool:
    return (one.party, one.identifier) == (other.party, other.identifier)


def _check_versions(statement: FingerprintStatement, keys: Sequence[ServiceKey]) -> None:
    versions = [(entry.scheme, entry.key_version) for entry in statement.fingerprints]
    if any(earlier <= later for earlier, later in pairwise(versions)):
        raise VersionsDisordered
    for key in keys:
        if (key.scheme, key.from_version) not in versions:
            raise VersionMissing(key.scheme, key.from_version)


def _credits(references: Sequence[DocumentReference]) -> int:
    return sum(reference.relation == CREDITS for reference in references)


def _check_limit(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(what, count, limit)
