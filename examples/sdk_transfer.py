"""Moves 100.00 EUR from the bank to the seller, with the names and keys that docs/first-transaction.md makes."""

import os
from pathlib import Path

from traco.cli.names import AddressBook
from traco.client.keystore import KeyStore
from traco.client.sdk import LedgerClient
from traco.modules.holding.messages import Transfer

names = AddressBook.open(Path(os.environ["TRACO_HOME"]))
ids = {name: bytes.fromhex(entry.id) for name, entry in names.entries()}
keys = KeyStore.open(names.key_store("bank"), os.environ["TRACO_PASSPHRASE"])
with LedgerClient(names.url, names.network) as client, keys:
    bank = client.party(ids["bank"], keys.signer("main"))
    result = bank.transact(
        Transfer(bank.id, ids["eur"], ids["bank-account"], ids["seller-account"], 10_000, b"by the SDK")
    )
    print(result.status, "in block", result.height)  # noqa: T201
