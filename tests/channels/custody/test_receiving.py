"""A custodian signs what it holds durably, for members alone, and gives payloads to those who take part."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from faults import Disk, Operation, SimulatedVFS, power_cuts
from support.custody_root import AHEAD_MS, NOW_MS, ORDER_BY, RecordingSigner, RootView
from support.sealed import (
    ANNA,
    BERT,
    CARL,
    CHANNEL,
    EPOCH,
    NETWORK,
    NODES,
    OLAF,
    PLACE,
    SECRET,
    TERMS,
    VERA,
    drawn,
    payload,
    seed,
)
from traco.channels.custody.errors import REFUSALS, CustodyRefused, CustodyStopped
from traco.channels.custody.messages import Answer, Fetch, Found, Hold, Refusal, Request, Signed
from traco.channels.custody.receiving import Asked, Custodian, Standing
from traco.channels.custody.store import CustodyLimits, CustodyStore, NewPayload
from traco.channels.sealing.payloads import seal
from traco.kernel import crypto
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES
from traco.modules.channel.signing import custody_message, payload_hash

PATH = Path("/custody.db")
CONTENT = payload("a")
HOLD = Hold(CHANNEL, BERT, EPOCH, ORDER_BY, CONTENT)
FETCH = Fetch(CHANNEL, payload_hash(CONTENT))


class Node:
    """A node that hosts two custodians: a member and the vault."""

    def __init__(self, store: CustodyStore) -> None:
        self.root = RootView()
        self.store = store
        self.signers = {member: RecordingSigner(NODES[member]) for member in (BERT, VERA)}
        self.custodian = Custodian(self.root, store, self.signers)

    def ask(self, member: bytes, request: Request) -> Answer:
        (answer,) = self.custodian.answer([Asked(member, request)])
        return answer

    def refusal(self, member: bytes, request: Request) -> str:
        answer = self.ask(member, request)
        assert isinstance(answer, Refusal)
        assert answer.code in REFUSALS
        return answer.code

    @property
    def signed(self) -> list[bytes]:
        return [message for signer in self.signers.values() for message in signer.signed]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    store = CustodyStore(tmp_path / "custody.db")
    yield Node(store)
    store.close()


def message(request: Hold) -> bytes:
    return custody_message(
        NETWORK, CHANNEL, request.custodian, EPOCH, request.order_by, len(request.content), payload_hash(request.content)
    )  # fmt: skip


def changed(**fields: Any) -> Hold:
    return msgspec.structs.replace(HOLD, **fields)


@pytest.mark.parametrize("custodian", [BERT, VERA])
def test_a_member_gets_a_receipt_that_the_root_accepts(node: Node, custodian: bytes) -> None:
    request = changed(custodian=custodian)
    answer = node.ask(ANNA, request)
    assert isinstance(answer, Signed)
    crypto.verify(NODES[custodian].public, message(request), answer.signature)
    assert node.store.get(CHANNEL, payload_hash(CONTENT)) == CONTENT


def test_asking_again_gives_the_same_receipt(node: Node) -> None:
    assert node.ask(ANNA, HOLD) == node.ask(ANNA, HOLD)


def test_requests_of_one_write_are_answered_one_by_one(node: Node) -> None:
    asked = [
        Asked(ANNA, HOLD),
        Asked(OLAF, HOLD),
        Asked(ANNA, changed(custodian=VERA)),
        Asked(CARL, FETCH),
        Asked(CARL, changed(content=payload("b"))),
        Asked(ANNA, HOLD),
    ]
    answers = node.custodian.answer(asked)
    assert [type(answer) for answer in answers] == [Signed, Refusal, Signed, Found, Signed, Signed]
    assert answers[0] == answers[5]
    assert len(node.signed) == 4


def test_nothing_asked_is_nothing_answered(node: Node) -> None:
    assert node.custodian.answer([]) == []


@pytest.mark.parametrize(
    ("sender", "fields", "code"),
    [
        (OLAF, {}, "custody.not_entitled"),
        (VERA, {}, "custody.not_entitled"),
        (ANNA, {"channel": seed("another")}, "custody.channel_not_open"),
        (ANNA, {"custodian": CARL}, "custody.not_custodian"),
        (ANNA, {"custodian": OLAF}, "custody.not_custodian"),
        (ANNA, {"epoch": EPOCH + 1}, "custody.epoch"),
        (ANNA, {"epoch": EPOCH - 1}, "custody.epoch"),
        (ANNA, {"order_by": NOW_MS}, "custody.order_by"),
        (ANNA, {"order_by": NOW_MS + AHEAD_MS + 1}, "custody.order_by"),
        (ANNA, {"content": payload("large", 5_000)}, "custody.too_large"),
        (ANNA, {"content": b"no payload"}, "custody.malformed"),
        (ANNA, {"content": b"\2" + CONTENT[1:]}, "custody.malformed"),
        (
            ANNA,
            {"content": seal((b"x",), SECRET, PLACE._replace(epoch=EPOCH + 1), draw=drawn("other"))},
            "custody.malformed",
        ),
    ],
)
def test_what_does_not_belong_is_refused_and_neither_kept_nor_signed(
    node: Node, sender: bytes, fields: dict[str, Any], code: str
) -> None:
    request = changed(**fields)
    assert node.refusal(sender, request) == code
    assert node.signed == []
    assert node.store.get(request.channel, payload_hash(request.content)) is None


@pytest.mark.parametrize("status", ["opening", "suspended", "closed"])
def test_a_channel_that_is_not_open_takes_no_payloads(node: Node, status: Any) -> None:
    node.root.channel = Standing(status, EPOCH, TERMS)
    assert node.refusal(ANNA, HOLD) == "custody.channel_not_open"


def test_a_custodian_that_this_node_hosts_but_the_channel_has_not_signs_nothing(node: Node) -> None:
    node.root.channel = Standing("open", EPOCH, msgspec.structs.replace(TERMS, vaults=()))
    assert node.refusal(ANNA, changed(custodian=VERA)) == "custody.not_custodian"


def test_a_sender_that_fills_the_store_is_refused(tmp_path: Path) -> None:
    store = CustodyStore(tmp_path / "custody.db", CustodyLimits(sender_payloads=1))
    node = Node(store)
    node.ask(ANNA, HOLD)
    assert node.refusal(ANNA, changed(content=payload("b"))) == "custody.sender_full"
    assert len(node.signed) == 1
    store.close()


def test_what_was_ordered_before_gets_no_new_receipt(node: Node) -> None:
    node.ask(ANNA, HOLD)
    node.store.mark_ordered(CHANNEL, [(payload_hash(CONTENT), 1)])
    assert node.refusal(ANNA, HOLD) == "custody.already_ordered"


@pytest.mark.parametrize("asker", [ANNA, BERT, CARL, VERA])
def test_members_and_custodians_get_payloads_back(node: Node, asker: bytes) -> None:
    node.ask(ANNA, HOLD)
    assert node.ask(asker, FETCH) == Found(CONTENT)


def test_nobody_else_gets_payloads_or_learns_which_are_here(node: Node) -> None:
    node.ask(ANNA, HOLD)
    for hash_ in (FETCH.hash, seed("none")):
        assert node.refusal(OLAF, Fetch(CHANNEL, hash_)) == "custody.not_entitled"
    assert node.refusal(ANNA, Fetch(seed("another"), FETCH.hash)) == "custody.not_entitled"


def test_payloads_of_a_closed_or_suspended_channel_are_still_given(node: Node) -> None:
    node.ask(ANNA, HOLD)
    for status in ("suspended", "closed"):
        node.root.channel = Standing(status, EPOCH, TERMS)
        assert node.ask(CARL, FETCH) == Found(CONTENT)


def test_a_channel_whose_first_epoch_has_not_begun_has_no_members_to_give_to(node: Node) -> None:
    node.root.channel = Standing("opening", 0, TERMS)
    assert node.refusal(ANNA, FETCH) == "custody.not_entitled"


def test_what_is_not_here_is_said_to_be_not_here(node: Node) -> None:
    assert node.refusal(ANNA, FETCH) == "custody.not_held"


def test_a_damaged_payload_is_not_given(node: Node, tmp_path: Path) -> None:
    node.ask(ANNA, HOLD)
    connection = apsw.Connection(str(tmp_path / "custody.db"))
    connection.execute("UPDATE payloads SET content = zeroblob(size)")
    connection.close()
    assert node.refusal(CARL, FETCH) == "custody.damaged"


class Failing(CustodyStore):
    """A store whose medium fails, before anything was written or after all was, but before it is known to be durable."""

    def __init__(self, path: Path, after_writing: bool) -> None:
        super().__init__(path)
        self._after_writing = after_writing

    def keep(self, payloads: Sequence[NewPayload]) -> list[CustodyRefused | None]:
        if self._after_writing:
            super().keep(payloads)
        raise CustodyStopped("planted")


@pytest.mark.parametrize("after_writing", [False, True])
def test_no_signature_is_made_when_the_store_fails(tmp_path: Path, after_writing: bool) -> None:
    store = Failing(tmp_path / "custody.db", after_writing)
    node = Node(store)
    with pytest.raises(CustodyStopped):
        node.ask(ANNA, HOLD)
    assert node.signed == []
    store.close()


@pytest.mark.parametrize("operation", [Operation.WRITE, Operation.SYNC])
def test_no_signature_is_made_when_the_disk_fails(operation: Operation) -> None:
    with SimulatedVFS(Disk()) as machine:
        node = Node(CustodyStore(PATH, vfs=machine.name))
        machine.faults.io_error_at(1, operation)
        for _ in range(2):
            with pytest.raises(CustodyStopped):
                node.ask(ANNA, HOLD)
        assert node.signed == []


def _signed_then_there(disk: Disk, workload: Callable[[SimulatedVFS, list[int]], None]) -> list[str]:
    """Where, after some power cut, a payload that was signed for is not there."""
    lost = list[str]()
    for after in power_cuts(disk, workload, range(1)):
        contents = [payload(str(number)) for number in after.acknowledged]
        with SimulatedVFS(after.disk) as machine:
            there = _found(machine, contents)
        if there != contents:
            lost.append(f"after {after.change} {after.mode} {after.seed}")
    return lost


def _found(machine: SimulatedVFS, contents: Sequence[bytes]) -> list[bytes | None]:
    try:
        store = CustodyStore(PATH, vfs=machine.name)
        return [store.get(CHANNEL, payload_hash(each)) for each in contents]
    except CustodyStopped:
        return [None]


def _signing(custodian_of: Callable[[Node], Custodian]) -> Callable[[SimulatedVFS, list[int]], None]:
    """Requests payloads to be held; acknowledged is what was signed for, when it was signed."""

    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        node = Node(CustodyStore(PATH, vfs=machine.name))
        contents = [payload(str(number)) for number in range(4)]
        numbers = {message(changed(content=each)): number for number, each in enumerate(contents)}

        class Noting(RecordingSigner):
            def sign(self, message: bytes) -> bytes:
                acknowledged.append(numbers[message])
                return super().sign(message)

        node.signers[BERT] = Noting(NODES[BERT])
        custodian = custodian_of(node)
        custodian.answer([Asked(ANNA, changed(content=contents[0]))])
        custodian.answer([Asked(ANNA, changed(content=each)) for each in contents[1:]])

    return workload


# while the file is made, SQLite deletes a rollback journal when it must not fail: apsw can only report the cut
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_was_signed_for_is_there_after_a_power_cut_at_every_operation() -> None:
    assert _signed_then_there(Disk(), _signing(lambda node: node.custodian)) == []


class _TooEarly(Custodian):
    """A planted fault: it signs before it writes."""

    def answer(self, asked: Sequence[Asked]) -> list[Answer]:
        for each in asked:
            assert isinstance(each.request, Hold)
            self._signers[each.request.custodian].sign(message(each.request))
        return super().answer(asked)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_custodian_that_signs_before_the_write_is_found_by_power_cuts() -> None:
    def early(node: Node) -> Custodian:
        return _TooEarly(node.root, node.store, node.signers)

    assert _signed_then_there(Disk(), _signing(early)) != []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_lies_about_syncs_is_found_by_power_cuts() -> None:
    assert _signed_then_there(Disk(lies_about_sync=True), _signing(lambda node: node.custodian)) != []


def test_the_largest_payload_of_the_root_can_be_held(node: Node) -> None:
    limits = msgspec.structs.replace(TERMS.limits, max_payload_bytes=MAX_PAYLOAD_BYTES)
    node.root.channel = Standing("open", EPOCH, msgspec.structs.replace(TERMS, limits=limits))
    content = seal((bytes(262_010),), SECRET, PLACE, draw=drawn("large"))
    assert len(content) == MAX_PAYLOAD_BYTES
    assert isinstance(node.ask(ANNA, changed(content=content)), Signed)
