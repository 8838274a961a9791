"""The tables of projections. Ids are bytes, amounts are integers in the instrument's smallest unit, times are UTC in ms.

    meta             format of these tables, network, names of the tables
    progress         one row: up to which block everything is in the tables; moves in the same transaction as the rows
    block            per block that has leaves: its time, and the number of the first entry at or behind it
    journal          double entry: every movement is two entries that add up to zero
    holding          what an account has of an instrument now, by what it is free for
    encumbrance      holds, pledges and attachments, also ended ones
    history          which events, but movements, are about a party, account, instrument, document, batch, financing or offer
    party, account, instrument, document, document_party, settlement, settlement_leg, financing, offer, receivable

*Entries* are numbered in the order of the ledger, from 1, without gaps; the same ledger gives the same numbers. ``balance`` is
what the account owns of the instrument after the entry, so that an opening balance is the last one before it: no sum over
the past, however long that is. Issues and redemptions have as other side the instrument's *contra account*: its id is the
instrument's, its kind ``contra``, its balance what is outstanding, negative. So the entries of an instrument, of a transaction
and of everything add up to zero.

No amount and no balance exceeds 2**63 - 1, because no instrument's total does. Sums over entries may: PostgreSQL adds
``bigint`` up as ``numeric``, SQLite reports an overflow; add the halves up there.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)

FORMAT: Final = 2
"""Version of these tables. Those of an older release are made anew; a newer one's are refused."""

CONTRA: Final = "contra"
"""The kind of the account that stands against everything issued of an instrument."""

metadata: Final = MetaData()


class Bytes(LargeBinary):
    """Bytes, passed to and from the drivers as they are: both take and give ``bytes``."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Nothing has to be done."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Nothing has to be done."""


def _id(name: str, **options: Any) -> Column[Any]:
    return Column(name, Bytes, **{"nullable": False, **options})


def _number(name: str, **options: Any) -> Column[Any]:
    return Column(name, BigInteger, **{"nullable": False, **options})


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, String, **{"nullable": False, **options})


meta: Final = Table("meta", metadata, _text("name", primary_key=True), _text("value"))

progress: Final = Table(
    "progress", metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    _number("height"),  # -1: not even the founding
    _number("time_ms"),
    _id("app_hash"),  # of that block: tells another history from this one
    _number("entries"),  # how many entries the journal has
)  # fmt: skip

block: Final = Table(
    "block", metadata,
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    _number("time_ms"),
    _number("first_entry"),
    Index("block_by_time", "time_ms", "height"),
)  # fmt: skip

journal: Final = Table(
    "journal", metadata,
    # the first column's type makes it SQLite's own row number
    Column("entry", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    _id("account"),
    _id("instrument"),
    _number("amount"),  # above zero: credited
    _number("balance"),
    _id("counter"),  # the account on the other side
    _number("height"),
    Column("leaf", Integer, nullable=False),
    Column("event", Integer, nullable=False),
    _number("time_ms"),
    _id("transaction_id"),  # or the id of the due item
    _text("cause"),
    _id("reference"),
    Index("journal_by_account", "account", "instrument", "entry"),
)  # fmt: skip

holding: Final = Table(
    "holding", metadata,
    _id("instrument", primary_key=True),
    _id("account", primary_key=True),
    _number("available"),
    _number("held"),
    _number("pledged"),
    _number("attached"),
    _number("bucket"),
    _number("incoming"),
    _number("awaited"),
    _number("owned"),
    Index("holding_by_account", "account", "instrument"),
)  # fmt: skip

encumbrance: Final = Table(
    "encumbrance", metadata,
    _id("encumbrance", primary_key=True),
    _text("kind"),  # hold, pledge, attachment
    _id("account"),
    _id("instrument"),
    _number("amount"),  # as made
    _number("left"),  # what remains of it
    _id("beneficiary"),  # executor, pledgee or authority
    _number("expires_ms"),  # 0: not by itself
    _text("status"),  # open, or how it ended
    Index("encumbrance_by_account", "account", "instrument"),
)  # fmt: skip

party: Final = Table(
    "party", metadata,
    _id("party", primary_key=True),
    _id("sponsor"),
    _text("kind"),
    _text("name", nullable=True),  # persons have none
    _text("country", nullable=True),
    _text("lei", nullable=True),
    _text("status"),
    _number("height"),  # of its registration
)  # fmt: skip

account: Final = Table(
    "account", metadata,
    _id("account", primary_key=True),
    _id("owner"),
    _id("servicer"),
    _text("kind"),
    _id("parent", nullable=True),
    Column("closed", Boolean, nullable=False),
    _number("height"),
    Index("account_by_owner", "owner"),
    Index("account_by_servicer", "servicer"),
    Index("account_by_parent", "parent"),
)  # fmt: skip

instrument: Final = Table(
    "instrument", metadata,
    _id("instrument", primary_key=True),
    _id("issuer"),
    _text("code"),
    _text("kind"),
    _text("currency", nullable=True),
    Column("decimals", SmallInteger, nullable=False),
    _number("outstanding"),
    Column("closed", Boolean, nullable=False),
    _number("height"),
)  # fmt: skip

document: Final = Table(
    "document", metadata,
    _id("document", primary_key=True),
    _id("registrant"),
    _text("kind"),
    _text("status"),  # registered, duplicate, superseded, cancelled
    _id("duplicate_of", nullable=True),
    _id("amends", nullable=True),
    _id("superseded_by", nullable=True),
    _id("financing", nullable=True),  # under which it counts as financed
    _text("currency", nullable=True),
    _number("payable", nullable=True),
    _text("issue_date", nullable=True),
    _text("due_date", nullable=True),
    _number("height"),
    Index("document_by_height", "height", "document"),
    Index("document_by_registrant", "registrant"),
)  # fmt: skip

document_party: Final = Table(
    "document_party", metadata,
    _id("document", primary_key=True),
    _id("party", primary_key=True),
    _text("role", primary_key=True),
    Index("document_by_party", "party", "document"),
)  # fmt: skip

history: Final = Table(
    "history", metadata,
    # what the event is about: a party, account, instrument, document, batch, financing or offer
    _id("subject", primary_key=True),
    Column("height", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", Integer, primary_key=True, autoincrement=False),
    Column("event", Integer, primary_key=True, autoincrement=False),
    _number("time_ms"),
    _id("transaction_id"),
    _text("kind"),  # of the event, such as document.registered/1; the event itself is on the ledger at this place
)  # fmt: skip

settlement: Final = Table(
    "settlement", metadata,
    _id("batch", primary_key=True),
    _id("requestor"),
    _text("status"),  # open, complete, settled, cancelled, expired
    _number("deadline_ms"),
    _number("height"),  # of its creation
    _number("ended_height", nullable=True),
    Index("settlement_by_requestor", "requestor"),
)  # fmt: skip

settlement_leg: Final = Table(
    "settlement_leg", metadata,
    _id("batch", primary_key=True),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    _id("sender"),
    _id("receiver"),
    _id("instrument"),
    _number("amount"),
    _id("reference"),
    Column("allocated", Boolean, nullable=False),
    Column("approved", Boolean, nullable=False),
    Index("settlement_leg_by_sender", "sender", "batch"),
    Index("settlement_leg_by_receiver", "receiver", "batch"),
)  # fmt: skip

financing: Final = Table(
    "financing", metadata,
    _id("financing", primary_key=True),
    _id("document"),
    _id("seller"),
    _number("face"),
    _id("cash"),  # the instrument of price and payment
    _number("expires_ms"),
    _text("status"),  # requested, reserved, financed, cancelled, expired
    _id("lender", nullable=True),
    _id("offer", nullable=True),
    _id("batch", nullable=True),
    _number("price", nullable=True),
    _text("recourse", nullable=True),  # demanded, defaulted, settled, lapsed
    _number("recovered"),  # of the face, bought back by the seller
    _number("height"),
    _number("financed_height", nullable=True),
    Index("financing_by_height", "height", "financing"),
    Index("financing_by_document", "document"),
)  # fmt: skip

offer: Final = Table(
    "offer", metadata,
    _id("financing", primary_key=True),
    _id("offer", primary_key=True),
    _id("lender"),
    _number("price"),
    Column("recourse", Boolean, nullable=False),
    Column("firm", Boolean, nullable=False),
    _number("valid_until_ms"),
    _text("status"),  # open, accepted, settled, released, withdrawn, expired
    Index("offer_by_lender", "lender", "financing"),
)  # fmt: skip

receivable: Final = Table(
    "receivable", metadata,
    _id("document", primary_key=True),
    _id("instrument"),
    _id("debtor"),
    _number("total"),
    _number("unpaid"),
    _number("diluted"),
    _number("financed"),
    Column("overdue", Boolean, nullable=False),
    _text("status"),  # open, discharged, withdrawn
)  # fmt: skip
