"""For whom a request is made. How that is found out: ``authentication``; what it then sees: ``visibility``."""

from enum import StrEnum
from typing import Any, Final, NamedTuple

from litestar.connection import ASGIConnection

from traco.client.access import Scope
from traco.node.api.problems import Problem

_PRINCIPAL: Final = "traco_principal"


class Role(StrEnum):
    """What a principal may see."""

    PARTY = "party"  # its own business
    AUDITOR = "auditor"  # everything on the ledger
    OPERATOR = "operator"  # everything on the ledger, and the node's inside


class Principal(NamedTuple):
    """For whom a request is made. Without ``party``: somebody on the machine of a development network."""

    role: Role
    party: bytes | None
    key: bytes | None
    scope: Scope

    @property
    def reads_everything(self) -> bool:
        """Whether nothing on the ledger is hidden from it."""
        return self.role is not Role.PARTY

    @property
    def name(self) -> str:
        """Whom limits are counted for, and what logs say."""
        return "local" if self.party is None else self.party.hex()


LOCAL: Final = Principal(Role.OPERATOR, None, None, "submit")


class AccessDenied(Problem):
    """A request without a principal (401), or with one that may not do this (403)."""

    def __init__(self, code: str, detail: str, advice: str, status: int = 401) -> None:
        error = {"access.missing": "", "access.scope": ', error="insufficient_scope"'}.get(
            code, ', error="invalid_token"'
        )
        headers = {"WWW-Authenticate": f'Bearer realm="traco"{error}'}
        super().__init__(status, code, detail, advice=advice, headers=headers)


def set_principal(scope: Any, principal: Principal) -> None:
    """Note in the scope of a request for whom it is made."""
    scope["state"][_PRINCIPAL] = principal


def principal_of(request: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """For whom a request is made. A route that admits everybody has none: ``KeyError``."""
    principal: Principal = request.scope["state"][_PRINCIPAL]
    return principal
