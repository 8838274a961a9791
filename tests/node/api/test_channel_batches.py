"""Many transactions of a channel in one request: each is answered, and all that are taken are executed in their order."""

from pathlib import Path

import msgspec

from support.channel_town import ChannelTown, channel_town
from support.town import salt
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    account_id,
    instrument_id,
)
from traco.node.api.transactions import OCTETS


def posted(town: ChannelTown, name: str, channel: bytes, content: bytes) -> tuple[int, object]:
    path, headers = (
        f"/v1/channels/{channel.hex()}/transactions/batch",
        {
            **town.headers(name),
            "content-type": OCTETS,
        },
    )
    answer = town.node.client.post(path, content=content, headers=headers)
    return answer.status_code, answer.json()


def test_a_batch_is_answered_one_by_one_and_what_is_taken_is_executed_in_its_order(tmp_path: Path) -> None:
    with channel_town(tmp_path / "node") as town:
        channel, bank = town.opened("bank", "broker"), town.ids["bank"]
        account, note = account_id(bank, salt("bank")), instrument_id(bank, "NOTE")
        opening = OpenAccount(
            bank, bank, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt("bank")
        )
        creating = CreateInstrument(bank, "NOTE", InstrumentKind.SECURITY, None, 2, bytes(32), (bank,))
        raws = [town.wire(channel, "bank", each) for each in (opening, creating)]
        raws += [b"nonsense", town.wire(channel, "bank", Issue(bank, note, account, 7, b""))]

        status, rows = posted(town, "bank", channel, msgspec.msgpack.encode(raws))
        assert isinstance(rows, list)
        assert (status, [row["status"] for row in rows]) == (
            202,
            ["received", "received", "refused", "received"],
        )
        path = f"/v1/channels/{channel.hex()}/transactions/{rows[-1]['id']}"
        town.until(lambda: town.get("bank", path).json()["status"] == "confirmed")
        held = town.query("bank", channel, "holding.get", instrument=note, account=account).json()["answer"]
        assert held["available"] == 7

        status, problem = posted(town, "bank", channel, b"nonsense")
        assert isinstance(problem, dict)
        assert (status, problem["code"]) == (400, "request.invalid")
        assert posted(town, "outsider", channel, b"\x90")[0] == 404
