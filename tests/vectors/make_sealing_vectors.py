"""Writes sealing.json: the bytes of sealed payloads, wrapped copies, custody and point digests, with what they are made from.

A change of any value but a message between nodes is a change of format: payloads that custodians hold would not open any
more. Run it from the folder ``tests``:

    PYTHONPATH=../src:. python -m vectors.make_sealing_vectors
"""

import json
from pathlib import Path
from typing import Final

from support.sealed import (
    ANNA,
    BERT,
    BOXES,
    CHANNEL,
    EPOCH,
    MEMBERS,
    NETWORK,
    NODES,
    PAYLOAD,
    PLACE,
    SECRET,
    TRANSACTIONS,
    seed,
)
from traco.channels.custody.messages import AllSaid, Fetch, Found, Hold, HoldAll, Refusal, Signed
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.padding import padded_size
from traco.channels.sealing.payloads import read_head
from traco.channels.sealing.wrapping import offered, wrap_all
from traco.kernel.codec import Record, encode
from traco.kernel.receipt import NO_SIGNATURES, Leaf
from traco.modules.channel.digests import (
    FIRST_DIGEST,
    PointSummary,
    blinded,
    copy_hash,
    outcome_hash,
    outcomes_root,
    point_digest,
)
from traco.modules.channel.parts import LegResult
from traco.modules.channel.signing import custody_message, payload_hash

FILE: Final = Path(__file__).with_name("sealing.json")
ORDER_BY: Final = 1_790_000_060_000
GENERATION, ORDINAL = 1, 5
LEAVES: Final = [Leaf(seed(f"transaction {each}"), NO_SIGNATURES, b"receipt %d" % each) for each in range(3)]


def vectors() -> dict[str, str]:
    """Every vector by name, bytes in hex."""
    found = {**_inputs(), **_copies(), **_payload(), **_custody(), **_point()}
    return {name: value.hex() for name, value in found.items()}


def padded() -> dict[str, int]:
    """Sizes, and what they are padded to."""
    sizes = (1, 9, 17, 100, 300, 1_000, 4_097, 60_000, 262_144)
    return {str(size): padded_size(size) for size in sizes}


def _inputs() -> dict[str, bytes]:
    return {
        "network": NETWORK,
        "channel": CHANNEL,
        "epoch": EPOCH.to_bytes(4, "big"),
        "epoch_key": SECRET.reveal(),
        **{f"member_{place}": member for place, member in enumerate(MEMBERS)},
        **{f"box_secret_{place}": BOXES[member].reveal() for place, member in enumerate(MEMBERS)},
        **{f"box_key_{place}": BOXES[member].public_key for place, member in enumerate(MEMBERS)},
    }


def _copies() -> dict[str, bytes]:
    copies = wrap_all(SECRET, PLACE, MEMBERS, [BOXES[member].public_key for member in MEMBERS])
    return {
        "commitment": SECRET.commitment(PLACE),
        **{f"copy_{place}": copy for place, copy in enumerate(copies)},
        **{f"copy_hash_{place}": copy_hash(copy) for place, copy in enumerate(copies)},
        "offered": encode(offered(SECRET, PLACE, copies)),
    }


def _payload() -> dict[str, bytes]:
    key = SECRET.payload_key(read_head(PAYLOAD).payload_id)
    return {
        "transactions": encode(TRANSACTIONS),
        "payload": PAYLOAD,
        "payload_hash": payload_hash(PAYLOAD),
        "payload_key": key.reveal(),
        "key_check": key.check(),
    }


def _custody() -> dict[str, bytes]:
    payload = payload_hash(PAYLOAD)
    message = custody_message(NETWORK, CHANNEL, BERT, EPOCH, ORDER_BY, len(PAYLOAD), payload)
    signature = NODES[BERT].sign(message)
    messages: dict[str, Record] = {
        "hold": Hold(CHANNEL, BERT, EPOCH, ORDER_BY, PAYLOAD),
        "signed": Signed(signature),
        "fetch": Fetch(CHANNEL, payload),
        "found": Found(PAYLOAD),
        "refused": Refusal("custody.full"),
        "hold_all": HoldAll((Hold(CHANNEL, BERT, EPOCH, ORDER_BY, PAYLOAD),) * 2),
        "all_said": AllSaid((Signed(signature), Refusal("custody.full"))),
    }
    return {
        "sender": ANNA,
        "custodian": BERT,
        "custody_message": message,
        "custody_signature": signature,
        **{name: encode(value) for name, value in messages.items()},
    }


def _point() -> dict[str, bytes]:
    blinding, app_hash = Blinding(SECRET, GENERATION, ORDINAL), seed("app hash")
    salts = [SECRET.leaf_salt(GENERATION, ORDINAL, index) for index in range(len(LEAVES))]
    hashes = [outcome_hash(salt, leaf) for salt, leaf in zip(salts, LEAVES, strict=True)]
    legs = (LegResult(seed("attempt"), True), LegResult(seed("another attempt"), False))
    blind = SECRET.blind(GENERATION, ORDINAL)
    summary = PointSummary(
        CHANNEL, GENERATION, ORDINAL, FIRST_DIGEST, seed("chain"), blinded(blind, app_hash), outcomes_root(hashes), legs
    )  # fmt: skip
    return {
        "app_hash": app_hash,
        "blind": blind,
        "blinded_root": summary.state,
        **{f"leaf_salt_{index}": salt for index, salt in enumerate(salts)},
        **{f"outcome_hash_{index}": each for index, each in enumerate(hashes)},
        "outcomes_root": summary.outcomes,
        "outcomes_root_of_none": outcomes_root([]),
        "outcome_proof": encode(blinding.prove(LEAVES, 1)),
        "point": encode(summary),
        "point_digest": point_digest(summary),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps({"padded": padded(), **vectors()}, indent=2) + "\n")
