"""What this module needs from others: parties, holdings, settlement batches and documents."""

from collections.abc import Sequence
from typing import Protocol

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.document.messages import CreditNote, Match, Payable
from traco.modules.holding.messages import InstrumentKind
from traco.modules.settlement.messages import Allocations, Approvals, SettlementInstruction


class Parties(Protocol):
    """The registry of parties."""

    def require_active(self, state: State, party: bytes) -> object:
        """Raise the party module's ``Rejected`` unless the party is active."""


class Instrument(Protocol):
    """What financing reads of an instrument of cash."""

    @property
    def kind(self) -> InstrumentKind:
        """What it is a claim to."""

    @property
    def currency(self) -> str | None:
        """Its currency (ISO 4217), if it has one."""

    @property
    def decimals(self) -> int:
        """Decimals of its smallest unit."""


class Account(Protocol):
    """What financing reads of an account."""

    @property
    def owner(self) -> bytes:
        """The party that owns what is in it."""

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more."""


class Holding(Protocol):
    """How much of an instrument an account owns."""

    @property
    def available(self) -> int:
        """What is not set aside for anything."""

    @property
    def owned(self) -> int:
        """Available and encumbered together."""


class Hold(Protocol):
    """What financing reads of an open hold, to check its own invariants."""

    @property
    def amount(self) -> int:
        """How much, in the smallest unit."""


class Holds(Protocol):
    """The open holds."""

    def hold_of(self, state: State, hold: bytes) -> Hold:
        """The open hold. Raises ``traco.modules.holding.encumbrance_errors.HoldUnknown``."""


class Holdings(Protocol):
    """The keeper of holdings."""

    @property
    def encumbrances(self) -> Holds:
        """The open holds."""

    def account(self, state: State, account: bytes) -> Account | None:
        """The account, open or closed, or None."""

    def require_open_account(self, state: State, account: bytes) -> Account:
        """The open account. Raises the holding module's ``Rejected``."""

    def require_open_instrument(self, state: State, instrument: bytes) -> Instrument:
        """The active instrument. Raises the holding module's ``Rejected``."""

    def holding(self, state: State, instrument: bytes, account: bytes) -> Holding:
        """The holding; all zero where there is none."""

    def outstanding(self, state: State, instrument: bytes) -> int:
        """What was issued less what was redeemed."""

    def holders(
        self, state: State, instrument: bytes, limit: int, after: bytes = b""
    ) -> Sequence[tuple[bytes, Holding]]:
        """Accounts that own some of the instrument, in the order of their ids."""

    def controls_debit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise debits of the account."""

    def controls_credit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise credits of the account: anyone, where it is open."""

    def create_instrument(
        self, context: Context, issuer: bytes, code: str, kind: InstrumentKind, *, decimals: int, terms: bytes,
        currency: str | None = None, operators: Sequence[bytes] = (), transfer_check: str = "", cap: int = ...,
    ) -> bytes:  # fmt: skip
        """Create an instrument and return its id. Raises the holding module's ``Rejected``."""

    def issue(
        self, context: Context, instrument: bytes, account: bytes, amount: int, reference: bytes
    ) -> None:
        """Create value in an account. Raises the holding module's ``Rejected``."""

    def redeem(
        self, context: Context, instrument: bytes, account: bytes, amount: int, reference: bytes
    ) -> None:
        """Destroy available value. Raises the holding module's ``Rejected``."""

    def transfer(
        self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int,
        reference: bytes,
    ) -> None:  # fmt: skip
        """Move an available amount; what refuses it is found before anything changes."""

    def hold(
        self, context: Context, hold_id: bytes, account: bytes, instrument: bytes, amount: int,
        executor: bytes, expires_ms: int, reference: bytes,
    ) -> None:  # fmt: skip
        """Set an available amount aside. Raises the holding module's ``Rejected``."""

    def execute_hold(
        self, context: Context, hold_id: bytes, receiver: bytes, amount: int, reference: bytes,
        final: bool = False,
    ) -> None:  # fmt: skip
        """Move what is held to ``receiver``. Raises the holding module's ``Rejected``."""

    def release_hold(self, context: Context, hold_id: bytes) -> None:
        """Make what is held available again."""


class Settlements(Protocol):
    """The keeper of batches."""

    def create(
        self, context: Context, requestor: bytes, legs: tuple[SettlementInstruction, ...],
        settlers: tuple[bytes, ...], auto: bool, deadline_ms: int, on_settle: tuple[bytes, ...],
        on_release: tuple[bytes, ...], salt: bytes,
    ) -> bytes:  # fmt: skip
        """Create a batch and return its id. Raises the settlement module's ``Rejected``."""

    def affirm(
        self, context: Context, party: bytes, batch: bytes, allocations: Allocations, approvals: Approvals
    ) -> None:
        """Give parts of a batch; settles one that is complete and automatic. Raises ``Rejected``."""

    def cancel(self, context: Context, batch: bytes, reason: str) -> None:
        """End an open batch and release everything held."""


class Document(Protocol):
    """What financing reads of a registered document."""

    @property
    def content_commitment(self) -> bytes:
        """The salted hash of the file."""

    @property
    def payable(self) -> Payable | None:
        """The payable amount, where disclosed."""

    @property
    def due_date(self) -> str | None:
        """An ISO date."""

    @property
    def status(self) -> str:
        """``registered``, or what it became."""

    @property
    def duplicate_of(self) -> bytes | None:
        """The first registration of a duplicate, or None."""

    @property
    def financing(self) -> bytes | None:
        """Under which financing it is marked as financed, or None."""

    def party_in(self, role: str) -> bytes | None:
        """The registered party that has a role, or None."""


class Documents(Protocol):
    """The keeper of documents."""

    def get(self, state: State, document: bytes) -> Document | None:
        """The document, or None."""

    def require_registered(self, state: State, document: bytes) -> Document:
        """The document, if it stands. Raises the document module's ``Rejected``."""

    def require_financeable(self, state: State, document: bytes) -> Document:
        """The document, if it can be financed and is not. Raises the document module's ``Rejected``."""

    def is_confirmed(self, state: State, document: bytes) -> bool:
        """Whether the buyer confirmed the document in full."""

    def is_disputed(self, state: State, document: bytes) -> bool:
        """Whether a dispute on the document is open."""

    def matches(self, state: State, document: bytes) -> Sequence[Match]:
        """What matches the document, exactly or in part, financed first."""

    def already_financed_exact(self, state: State, document: bytes) -> bytes | None:
        """The financed document with the same facts, perhaps this one, or None."""

    def already_financed_partial(self, state: State, document: bytes) -> Sequence[Match]:
        """The financed documents that share some facts."""

    def credit_notes_of(self, state: State, document: bytes) -> Sequence[CreditNote]:
        """The registered credit notes against an invoice."""

    def mark_financed(self, context: Context, document: bytes, financing_id: bytes) -> None:
        """Let the document count as financed. Raises the document module's ``Rejected``."""
