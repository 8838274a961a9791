"""As whom a command asks a node: with a key of the party that ``--as`` names, opened only if the node wants a proof."""

from collections.abc import Callable

from traco.client.access import Scope
from traco.client.keystore import KeyEntry
from traco.client.sdk import Access
from traco.client.signer import Signer

SUBMITTING = frozenset(("sign", "administer"))
"""What a key must be for to submit; any key may read."""


class LaterSigner:
    """A signer whose key store is opened when the first signature is needed."""

    def __init__(self, open_signer: Callable[[], Signer]) -> None:
        self._open = open_signer
        self._opened: Signer | None = None

    @property
    def public_key(self) -> bytes:
        """The public key with its scheme byte."""
        return self._signer().public_key

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte."""
        return self._signer().sign(message)

    def _signer(self) -> Signer:
        if self._opened is None:
            self._opened = self._open()
        return self._opened


def access_of(party: bytes, open_signer: Callable[[], Signer], scope: Scope = "submit") -> Access:
    """The access of a party whose key is not opened yet."""
    return Access(party, LaterSigner(open_signer), scope, on_demand=True)


def proving_key(entries: tuple[KeyEntry, ...], wanted: tuple[str, ...]) -> str | None:
    """The name of the key that proves who asks: the first that is wanted, else the first that may submit."""
    names = [entry.name for entry in entries if SUBMITTING.intersection(entry.roles)]
    return next(iter([*wanted, *names]), None)
