"""Finds the principal of a request: access tokens, checked against the newest committed state.

Every refusal has a stable code (``access...``), says what to do, and tells nothing of other parties.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from traco.client.access import MAX_LIFE_MS, AccessGrant, AccessInvalid, Scope, parse_token, verify_token
from traco.kernel.state import State
from traco.modules.party.queries import GetParty, PartyView
from traco.node.api.principals import LOCAL, AccessDenied, Principal, Role
from traco.node.api.reads import Reads
from traco.node.api.settings import AccessSettings

CLOCK_SKEW_MS: Final = 30_000  # how far a client's clock may be ahead of the node's
REMEMBERED: Final = 10_000  # tokens whose signature need not be checked again
_FITTING: Final[dict[Scope, frozenset[str]]] = {
    "read": frozenset(("read", "sign", "administer")),
    "submit": frozenset(("sign", "administer")),
}


class _Known(NamedTuple):
    """A token whose signature was checked, and the principal that it was good for as of a height."""

    grant: AccessGrant
    key: bytes
    height: int
    principal: Principal


class Principals:
    """Finds the principal of a request. ``now_ms`` is the node's clock."""

    def __init__(
        self, settings: AccessSettings, network: bytes, reads: Reads, now_ms: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._network = network
        self._reads = reads
        self._now_ms = now_ms
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether a request without a token is that of the local operator."""
        return not self._settings.needs_token

    def of(self, authorization: Sequence[str]) -> Principal:
        """The principal by the Authorization headers of a request. Raises ``AccessDenied``."""
        if not authorization:
            if not self._settings.needs_token:
                return LOCAL
            raise AccessDenied(
                "access.missing", "the request carries no access token",
                "Send Authorization: Bearer with a token made by one of your party's keys.",
            )  # fmt: skip
        scheme, _, text = authorization[0].partition(" ")
        if len(authorization) != 1 or scheme.lower() != "bearer":
            raise _malformed("there must be one Authorization header, of the kind Bearer")
        return self._of_token(text.strip(" "))

    def is_known(self, authorization: Sequence[str]) -> bool:
        """Whether a token was seen before with a good signature, so that looking at it costs little."""
        return (
            len(authorization) == 1 and _digest(authorization[0].partition(" ")[2].strip(" ")) in self._known
        )

    def _of_token(self, text: str) -> Principal:
        digest = _digest(text)
        known = self._known.get(digest)
        if known is None:
            grant, key = self._checked(text)
        else:
            grant, key = known.grant, known.key
        self._check_time(grant)
        with self._reads.snapshot() as snapshot:
            if known is not None and known.height == snapshot.height:
                return known.principal
            view: PartyView | None = self._reads.registry.queries["party.get"].answer(
                State(snapshot), GetParty(grant.party)
            )
            height = snapshot.height
        principal = self._principal(grant, key, view)
        self._known[digest] = _Known(grant, key, height, principal)
        self._known.move_to_end(digest)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return principal

    def _checked(self, text: str) -> tuple[AccessGrant, bytes]:
        """The grant of a token for this node with a good signature, and the key that signed."""
        try:
            token = parse_token(text)
        except AccessInvalid as error:
            raise _malformed(error.text) from None
        grant = token.grant
        if grant.network != self._network:
            raise AccessDenied(
                "access.other_network", "the token is for another network",
                "Make one for the network of this node; /v1/status names it.",
            )  # fmt: skip
        if grant.node != self._settings.node:
            raise AccessDenied(
                "access.other_node", "the token is for another node",
                "Make one for this node's key; /v1/status names it. Where you did not expect this, check the address.",
            )  # fmt: skip
        self._check_time(grant)
        try:
            verify_token(token)
        except AccessInvalid as error:
            raise AccessDenied(
                error.code, error.text, "Sign the grant with the key that the token names."
            ) from None
        return grant, token.signature.key

    def _check_time(self, grant: AccessGrant) -> None:
        now_ms = self._now_ms()
        if not 0 < grant.expires_ms - grant.issued_ms <= MAX_LIFE_MS:
            raise AccessDenied(
                "access.too_long", f"the token does not live between 1 and {MAX_LIFE_MS} ms", "Make one that lives shorter.",
            )  # fmt: skip
        if grant.issued_ms > now_ms + CLOCK_SKEW_MS:
            raise AccessDenied(
                "access.not_yet", "the token begins in the future", "Take the time from the node; /v1/status has it.",
            )  # fmt: skip
        if grant.expires_ms <= now_ms:
            raise AccessDenied("access.expired", "the token has expired", "Make a new one.")

    def _principal(self, grant: AccessGrant, key: bytes, view: PartyView | None) -> Principal:
        """The principal where party and key are on the ledger now and suit the scope."""
        entry = None if view is None else next((k for k in view.party.keys if k.key == key), None)
        if view is None or entry is None:
            # one text for a party that does not exist and for one that has other keys
            raise AccessDenied(
                "access.key_unknown", "the key that signed the token is not one of the party's keys",
                "Use a key that the party has on the ledger now.",
            )  # fmt: skip
        if view.party.status != "active":
            raise AccessDenied(
                "access.party_inactive", "the party is suspended or closed", "Ask the member that vouches for it.",
            )  # fmt: skip
        if _FITTING[grant.scope].isdisjoint(entry.roles):
            raise AccessDenied(
                "access.scope", f"the key has no role for the scope {grant.scope}",
                "Ask for the scope read, or use a key with the role sign or administer.", 403,
            )  # fmt: skip
        if grant.party in self._settings.operators:
            return Principal(Role.OPERATOR, grant.party, key, grant.scope)
        role = Role.AUDITOR if grant.party in self._settings.auditors else Role.PARTY
        return Principal(role, grant.party, key, grant.scope)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _malformed(detail: str) -> AccessDenied:
    return AccessDenied("access.malformed", detail, "Make the token with the SDK, or see the wire format.")
