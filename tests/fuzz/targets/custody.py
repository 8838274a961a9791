"""Whatever a member's node sends, a custodian answers; it signs only for what it holds, under the channel's rules.

If broken: a member stops the nodes of others, or has receipts for payloads that nobody can show.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import of_messagepack
from support.custody_root import AHEAD_MS, NOW_MS, ORDER_BY, RootView
from support.sealed import ANNA, BERT, CHANNEL, EPOCH, NETWORK, NODES, PAYLOAD, TERMS, VERA
from traco.channels.custody.errors import REFUSALS
from traco.channels.custody.messages import (
    AllSaid,
    Answer,
    Fetch,
    Found,
    Hold,
    HoldAll,
    Refusal,
    Request,
    Signed,
)
from traco.channels.custody.receiving import Asked, Custodian
from traco.channels.custody.store import CustodyLimits, CustodyStore
from traco.channels.seat.messages import answer_codec, request_codec
from traco.kernel import crypto
from traco.kernel.codec import encode
from traco.modules.channel.signing import custody_message, payload_hash

_STORE: Final = CustodyStore(
    Path(":memory:"), CustodyLimits(sender_payloads=64, sender_bytes=1_048_576)
)  # fmt: skip
_CUSTODIAN: Final = Custodian(RootView(), _STORE, {member: NODES[member] for member in (BERT, VERA)})
mutate = of_messagepack


def samples() -> tuple[tuple[str, bytes], ...]:
    """Genuine messages."""
    hold = Hold(CHANNEL, BERT, EPOCH, ORDER_BY, PAYLOAD)
    fetch = Fetch(CHANNEL, payload_hash(PAYLOAD))
    return (
        ("hold", encode(hold)),
        ("fetch", encode(fetch)),
        ("signed", encode(Signed(NODES[BERT].sign(b"")))),
        ("found", encode(Found(PAYLOAD))),
        ("refused", encode(Refusal("custody.full"))),
        ("hold_all", encode(HoldAll((hold, Hold(CHANNEL, VERA, EPOCH, ORDER_BY, PAYLOAD))))),
        ("all_said", encode(AllSaid((Signed(NODES[BERT].sign(b"")), Refusal("custody.full"))))),
    )


def check(raw: bytes, _folder: Path) -> None:
    """Read it as a request and as an answer; answer the request."""
    for codec in (request_codec, answer_codec):
        try:
            assert encode(codec.decode(raw)) == raw
        except ValueError:
            continue
    try:
        request = request_codec.decode(raw)
    except ValueError:
        return
    if not isinstance(request, Hold | Fetch | HoldAll):
        return  # what is not about payloads
    requests = request.requests if isinstance(request, HoldAll) else (request,)
    answers = _CUSTODIAN.answer([Asked(ANNA, each) for each in requests])
    require(len(answers) == len(requests), "each is answered")
    for each, answer in zip(requests, answers, strict=True):
        _check_answer(each, answer)


def _check_answer(request: Request, answer: Answer) -> None:
    if isinstance(answer, Refusal):
        require(answer.code in REFUSALS, answer.code)
    elif isinstance(request, Fetch):
        assert isinstance(answer, Found)
        assert payload_hash(answer.content) == request.hash
    else:
        assert isinstance(answer, Signed)
        _check_signed(request, answer)


def _check_signed(request: Hold, answer: Signed) -> None:
    payload, size = payload_hash(request.content), len(request.content)
    message = custody_message(NETWORK, CHANNEL, request.custodian, EPOCH, request.order_by, size, payload)
    crypto.verify(NODES[request.custodian].public, message, answer.signature)
    assert _STORE.get(request.channel, payload) == request.content
    assert (request.channel, request.epoch) == (CHANNEL, EPOCH)
    assert NOW_MS < request.order_by <= NOW_MS + AHEAD_MS
    assert size <= TERMS.limits.max_payload_bytes
