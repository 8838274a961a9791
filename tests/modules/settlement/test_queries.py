"""Queries on committed state, and what the module declares."""

from modules.settlement.desk import Floor
from traco.kernel.codec import Record, encode
from traco.modules.settlement import errors
from traco.modules.settlement.messages import IntoAccount, OwnHolding
from traco.modules.settlement.queries import BatchView, GetBatch


def test_a_batch_is_shown_with_what_is_given_for_it(floor: Floor) -> None:
    batch = floor.create(settlers="bank")
    floor.seller_affirms(batch)
    view = floor.ledger.query("settlement.batch", GetBatch(batch))
    account = floor.accounts["seller"]
    assert view == BatchView(batch, floor.batch(batch), False)
    assert view.batch.allocations == (OwnHolding(account), None)
    assert view.batch.approvals == (None, IntoAccount(account))


def test_a_batch_is_shown_as_complete_and_as_ended(floor: Floor) -> None:
    batch = floor.completed()
    assert floor.ledger.query("settlement.batch", GetBatch(batch)).complete is True
    floor.do("bank", floor.settle(batch))
    view = floor.ledger.query("settlement.batch", GetBatch(batch))
    assert (view.batch.status, view.complete) == ("settled", False)


def test_what_does_not_exist_is_none(floor: Floor) -> None:
    assert floor.ledger.query("settlement.batch", GetBatch(b"\xee" * 16)) is None


def test_every_error_has_a_code_of_its_own_and_texts_over_its_fields() -> None:
    codes = [error.code for error in errors.ERRORS]
    assert len(dict.fromkeys(codes)) == len(codes) == 26
    for error in errors.ERRORS:
        annotated = {
            name: kind for name, kind in error.__annotations__.items() if "ClassVar" not in str(kind)
        }
        made = error(
            **{name: 1 if kind is int else b"x" if kind is bytes else "x" for name, kind in annotated.items()}
        )
        assert str(made).startswith(error.code + ": ")
        assert error.code.startswith("settlement.")


def test_every_declared_error_is_raised_somewhere_in_the_tree() -> None:
    declared = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert declared == list(errors.ERRORS)
    assert issubclass(GetBatch, Record)
    assert len(encode(GetBatch(b"b" * 16))) == 19
