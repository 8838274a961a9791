"""What terms and seats must be like in themselves: the arithmetic of who is trusted for what.

With at most b faulty members, a digest that m members attest is true if m > b, can be reached without the faulty if
n - m >= b, and cannot be contradicted by another that reaches m if m > n / 2. A payload with k receipts of others is
still there if k > b, and receipts can be had without the faulty if k + b custodians are left besides the sender.
"""

from collections.abc import Mapping
from typing import Final

from traco.kernel.crypto import KeyInvalid, check_public_key
from traco.modules.channel.errors import SeatInvalid, TermsInvalid
from traco.modules.channel.messages import SetSeat
from traco.modules.channel.parts import EpochKey, Terms, is_ascending
from traco.modules.network.errors import GatewayWrong
from traco.modules.network.validity import check_gateway

SHOWN_OVERHEAD: Final = 1_024  # bytes of a root transaction beside the payload that it shows
_X25519_PRIME: Final = 2**255 - 19
# u of the points of small order (RFC 7748, 7): whoever has one shares its secret with everybody
_SMALL_ORDER: Final = (
    0,
    1,
    _X25519_PRIME - 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "holding": (),
    "settlement": ("holding",),
    "document": (),
    "financing": ("holding", "settlement", "document"),
}
"""The modules that may run inside a channel, and which others each needs there."""


def check_terms(terms: Terms, key: EpochKey) -> None:
    """The numbers and names of an offer fit together. Raises ``TermsInvalid`` with a reason code."""
    members, custodians = terms.members, terms.custodians()
    count = len(members)
    _require(is_ascending(members) and is_ascending(terms.vaults), "order")
    _require(not any(vault in members for vault in terms.vaults), "vault_is_member")
    _require(count >= 2 * terms.faults + 1, "members")
    _require(terms.policy > terms.faults and count - terms.policy >= terms.faults, "policy")
    _require(2 * terms.policy > count, "policy")
    _require(terms.custody > terms.faults, "custody")
    _require(len(custodians) - 1 >= terms.custody + terms.faults, "custodians")
    _require(len(key.copies) == count, "copies")
    _require(is_ascending(tuple(name.encode() for name in terms.modules)), "modules")
    for name in terms.modules:
        _require(name in NEEDS and all(needed in terms.modules for needed in NEEDS[name]), "modules")


def check_seat(message: SetSeat) -> None:
    """Keys and address can be used. Raises ``SeatInvalid`` with a reason code."""
    try:
        check_public_key(message.node)
    except KeyInvalid as invalid:
        raise SeatInvalid(invalid.code) from None
    try:
        check_gateway(message.address)
    except GatewayWrong:
        raise SeatInvalid("address") from None
    if int.from_bytes(message.box, "little") % 2**255 % _X25519_PRIME in _SMALL_ORDER:
        raise SeatInvalid("box")
    if message.address and not message.address.startswith("https://"):
        raise SeatInvalid("address")
    if bool(message.address) != bool(message.certificate):
        raise SeatInvalid("certificate")


def check_successor(before: Terms, after: Terms) -> None:
    """Modules stay: what fell due in one that went would be a fault. Raises ``TermsInvalid``."""
    _require(all(name in after.modules for name in before.modules), "modules_removed")


def check_payload_limit(terms: Terms, max_transaction_bytes: int) -> None:
    """A payload must fit into a transaction of the root, or silent custodians could stop it. Raises ``TermsInvalid``."""
    _require(terms.limits.max_payload_bytes + SHOWN_OVERHEAD <= max_transaction_bytes, "payload_bytes")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise TermsInvalid(reason)
