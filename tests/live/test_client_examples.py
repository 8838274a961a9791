"""Every example in the client's docstrings runs as it stands, against a node; only addresses and programs are this test's."""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from support.api import PASSPHRASE, make_directory
from support.keyrings import fake_keyring
from support.running import Running, free_port
from traco.client import results, sdk
from traco.client.keystore import KeyStore
from traco.client.sdk import DEFAULT_URL, Access, LedgerClient
from traco.client.signers.command import CommandSigner
from traco.client.signers.system_keyring import create_key, keyring_signer
from traco.kernel.crypto import Scheme
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.party.messages import GrantRole
from traco.node.directory import KEYS_FILE, MEMBER_KEY, founding_member

MODULES = (
    "asynchronous",
    "credentials",
    "ledger",
    "pages",
    "streams",
    "signers.command",
    "signers.system_keyring",
)
PROGRAM = """
import json, sys
from traco.client.signer import Ed25519Signer
print(json.dumps({"public_key": Ed25519Signer.from_seed(bytes(range(32))).public_key.hex()}))
"""


class Kept(Exception):
    """An example kept something: what goes on for ever ends there."""


def examples() -> list[tuple[str, str]]:
    """The indented parts of the modules' docstrings that are Python."""
    found = []
    for name in MODULES:
        text = inspect.cleandoc(import_module(f"traco.client.{name}").__doc__ or "")
        for number, block in enumerate(
            re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text + "\n", re.MULTILINE)
        ):
            code = inspect.cleandoc("\n" + block)
            if not code.startswith("{"):  # lines of a protocol
                found.append((f"{name}-{number}", code))
    return found


def make_market(client: LedgerClient, member: bytes, signer: Any) -> dict[str, Any]:
    """An instrument and two accounts, one with something in it; by the names that the examples use."""
    bank = client.party(member, signer)
    accounts = {
        name: account_id(member, salt) for name, salt in (("sender", b"s" * 16), ("receiver", b"r" * 16))
    }
    cash = instrument_id(member, "EUR")
    bank.transact(
        GrantRole((member,), member, "cash_operator"),
        CreateInstrument(member, "EUR", InstrumentKind.CASH, "EUR", 2, bytes(32), (member,)),
        *(
            OpenAccount(member, member, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt)
            for salt in (b"s" * 16, b"r" * 16)
        ),
        Issue(member, cash, accounts["sender"], 10_000, b""),
    )
    return {**accounts, "account": accounts["sender"], "instrument": cash}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the examples take for granted, on a node of a network that wants tokens."""
    directory = tmp_path_factory.mktemp("examples") / "node"
    port = free_port()
    genesis = make_directory(directory, port, "test")
    member = founding_member(genesis)
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        signer = keys.signer(MEMBER_KEY)
    url = f"http://127.0.0.1:{port}"
    with Running(directory, url) as node:
        node.ready()
        with LedgerClient(url, access=Access(member, signer)) as client:
            market = make_market(client, member, signer)
            yield {
                **vars(sdk), **vars(results), "Transfer": Transfer, "Scheme": Scheme, "CommandSigner": CommandSigner,
                "create_key": create_key, "keyring_signer": keyring_signer, "bank_id": member, "signer": signer,
                "genesis": genesis, "client": client, "position": "0.0.0", "url": url, **market,
            }  # fmt: skip


@pytest.mark.parametrize(("name", "code"), examples())
def test_an_example_runs(
    name: str, code: str, names: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    here = code.replace(DEFAULT_URL, names["url"])
    here = here.replace('["bank-hsm", "--slot", "3"]', repr([sys.executable, str(program)]))
    kept: list[Any] = []

    def keep(what: Any) -> None:
        kept.append(what)
        if isinstance(what, str):  # a position in a stream
            raise Kept

    with fake_keyring(), suppress(Kept):
        made = eval(
            compile(here, f"<{name}>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {**names, "keep": keep}
        )
        if inspect.iscoroutine(made):
            asyncio.run(made)
    assert capsys.readouterr().out or kept


def test_there_are_examples_in_every_module() -> None:
    assert {name.rpartition("-")[0] for name, _ in examples()} == set(MODULES)
