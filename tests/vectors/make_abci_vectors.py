"""Writes abci.json: frames of ABCI messages as Google's protobuf writes them, so that our codec can be held against them.

Needs what the project does not depend on: grpcio-tools, in an environment of its own, and the ``.proto`` files of CometBFT and
gogoproto from Go's module cache. From the folder ``tests``:

    python -m grpc_tools.protoc -I COMETBFT/proto -I GOGOPROTO --python_out=OUT \\
        tendermint/abci/types.proto tendermint/crypto/{keys,proof}.proto tendermint/types/{params,validator}.proto gogoproto/gogo.proto
    PYTHONPATH=OUT:SITE_PACKAGES_OF_GRPCIO_TOOLS:../src:. python -m vectors.make_abci_vectors

Protobuf leaves out empty messages unless told otherwise, gogoproto writes those that cannot be null; that is done here.
"""

import importlib
import json
from pathlib import Path
from typing import Any

from support.abci_samples import SAMPLES, plain
from traco.engine.cometbft.abci.messages import REQUESTS, RESPONSES
from traco.engine.cometbft.abci.wire import Kind, Message, declarations
from traco.kernel.light.protobuf import varint


def fill(target: Any, message: Message) -> Any:
    """Put the fields of one of our messages into protobuf's, by number."""
    for name, many, field in declarations(type(message)):
        value, theirs = getattr(message, name), target.DESCRIPTOR.fields_by_number[field.number].name
        if value is None:
            continue
        if field.kind in (Kind.MESSAGE, Kind.RAW):
            for each in value if many else (value,):
                inner = getattr(target, theirs).add() if many else getattr(target, theirs)
                inner.SetInParent()
                if field.kind is Kind.RAW:
                    inner.ParseFromString(each)
                else:
                    fill(inner, each)
        elif many or field.kind is Kind.PACKED:
            getattr(target, theirs).extend(value)
        elif value:
            setattr(target, theirs, value)
    return target


def frame(message: Message) -> bytes:
    """One of our messages as protobuf writes it, with the length before it."""
    protobuf = importlib.import_module("tendermint.abci.types_pb2")
    kinds, whole = (
        (REQUESTS, protobuf.Request())
        if type(message) in REQUESTS.values()
        else (RESPONSES, protobuf.Response())
    )
    number = next(number for number, kind in kinds.items() if kind is type(message))
    inner = getattr(whole, whole.DESCRIPTOR.fields_by_number[number].name)
    inner.SetInParent()
    fill(inner, message)
    payload: bytes = whole.SerializeToString(deterministic=True)
    return varint(len(payload)) + payload


def main() -> None:
    """Write the file."""
    vectors = [
        {"message": type(sample).__name__, "fields": plain(sample), "frame": frame(sample).hex()}
        for sample in SAMPLES
    ]
    path = Path(__file__).with_name("abci.json")
    path.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
