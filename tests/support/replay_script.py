"""Prints the app hash after each block of a fixed run of counters: the same under every hash seed."""

import sys

from support.counters import (
    ALICE,
    BOB,
    EITHER,
    PAIR,
    SOLO,
    Add,
    AddLater,
    CounterParameters,
    Fail,
    Note,
    Remove,
    counter_ledger,
)
from traco.kernel.codec import encode
from traco.kernel.operations import Propose, SetParameters


def main() -> None:
    """Run it."""
    ledger = counter_ledger(modules={"counter": dict.fromkeys("zyxwvu", 1)})
    for number in range(12):
        name = "abcdefghijkl"[number]
        operation = encode((Add(PAIR, name, 3),))
        record = encode(CounterParameters(1_000 + number))
        ledger.run_block([
            ledger.transaction([Add(SOLO, name, number + 1), Note(SOLO, 3, b"noted")], ALICE),
            ledger.transaction([AddLater(EITHER, name, ledger.time_ms + 3_000 + number)], BOB),
            ledger.transaction([Propose(PAIR, operation, ledger.time_ms + 4_000, ledger.salt())], BOB),
            ledger.transaction([Fail(SOLO, "bug" if number % 2 else "set")], ALICE),
            ledger.transaction([SetParameters((SOLO, EITHER), "counter", record)], ALICE),
            ledger.transaction([Remove(SOLO, "abcdefghijkl"[number // 2])], ALICE),
        ])  # fmt: skip
        sys.stdout.write(ledger.application.info().app_hash.hex() + "\n")


if __name__ == "__main__":
    main()
