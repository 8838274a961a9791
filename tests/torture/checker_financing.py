"""Compares financings, offers, receivables and what is set aside with the model."""

from collections.abc import Callable

from torture.model import Books
from torture.model_document import financed_twin
from torture.model_financing import unpaid
from torture.model_payments import collectable, payout_of
from traco.kernel.application import Application
from traco.modules.financing.queries import (
    CollectableQuery,
    DocumentQuery,
    FinancingQuery,
    OffersQuery,
    PayoutQuery,
)

Same = Callable[[str, bytes, object, object], None]  # what, its key, the ledger's, the model's
COUNTED = (
    "instrument", "cash", "seller", "seller_account", "debtor", "total", "paid", "diluted", "uncollected", "financed",
    "reservation", "remainder", "overdue", "payments",
)  # fmt: skip


def compare_financing(books: Books, application: Application, same: Same) -> None:
    """Everything that the financing module keeps."""
    _compare_requests(books, application, same)
    for document, row in books.documents.items():
        view = application.query("financing.status", DocumentQuery(document))
        twin = financed_twin(books, (*row["stated"], *row["inherited"]))
        status = "DFIN" if twin is not None else ("REDU" if row["status"] == "duplicate" else "REGU")
        same("status of", document, (view.status, view.same), (status, twin or row["duplicate_of"]))
        _compare_receivable(books, application, same, document)
    for account in books.accounts:
        same(
            "payout of", account, application.query("financing.payout", PayoutQuery(account)), payout_of(books, account)
        )  # fmt: skip
    for place in books.deposits:
        asked = CollectableQuery(place[:16], place[16:], place[16:])
        found = application.query("financing.collectable", asked)
        same("set aside for", place, found, collectable(books, *(place[:16], place[16:], place[16:])))


def _compare_requests(books: Books, application: Application, same: Same) -> None:
    for key, row in books.financings.items():
        view = application.query("financing.get", FinancingQuery(key))
        deal, recourse = view.record.deal, view.recourse
        agreed = None if deal is None else (deal.offer, deal.lender, deal.batch, deal.price)
        wanted = None if row["deal"] is None else row["deal"][:4]
        same("deal of", key, agreed, wanted)
        record = view.record
        found = (record.document, record.face, record.status, record.recovered)
        same("financing", key, found, (row["document"], row["face"], row["status"], row["recovered"]))
        due = books.recourses.get(key)
        open_demand = None if due is None else (due["amount"], due["due"], due["defaulted"])
        shown = None if recourse is None else (recourse.amount, recourse.due_ms, recourse.defaulted)
        same("demand under", key, shown, open_demand)
        offers = {
            other[16:]: (offer["lender"], offer["price"], offer["status"])
            for other, offer in books.offers.items()
            if other[:16] == key
        }
        page = application.query("financing.offers", OffersQuery(key))
        stored = {each.id: (each.record.lender, each.record.price, each.record.status) for each in page}
        same("offers on", key, stored, offers)


def _compare_receivable(books: Books, application: Application, same: Same, document: bytes) -> None:
    view, row = (
        application.query("financing.receivable", DocumentQuery(document)),
        books.receivables.get(document),
    )
    if view is None or row is None:
        same("receivable of", document, view, row)
        return
    record = view.record
    found = {name: getattr(record, name) for name in COUNTED}
    same("receivable of", document, found, {name: row[name] for name in COUNTED})
    same("what is left of", document, (view.unpaid, record.due_ms), (unpaid(row), row["due"]))
