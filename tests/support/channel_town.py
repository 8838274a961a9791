"""Three members on one embedded node that does the channel business of all of them: ``bank``, ``broker``, ``outsider``.

``bank`` founded the network and is the node's operator. ``client`` is a party that ``broker`` vouches for.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace

from support.api import CHEAP, PASSPHRASE, WholeNode, whole_node
from support.ledger import Key
from support.running import WAIT_SECONDS
from support.town import GENEROUS, OCTETS, NamedKey, salt
from traco.client.access import MAX_LIFE_MS, AccessGrant, make_token
from traco.client.forms import from_form, to_form
from traco.client.keystore import KeyStore
from traco.client.sdk import sign_body
from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import parse_genesis, write_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.transaction import Body
from traco.modules.channel.messages import AcceptEpoch, OpenChannel, SetSeat
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.signing import channel_id
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import RegisterNode, RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.channels.keyring import SEATS_FILE, make_seat
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import GENESIS_FILE, create, found_ledger

MEMBERS = ("bank", "broker", "outsider")
CLIENT = "client"


def make_members(
    directory: Path, purpose: Any = "test", config: NodeConfig | None = None, passphrase: str = PASSPHRASE
) -> bytes:
    """A node's directory of a network with these members, whose key is ``Key(name)``; its genesis."""
    made = create(
        directory, passphrase, name="Test", operator="bank", purpose=purpose, time_ms=wall_clock_ms(),
        config=config or NodeConfig(), cost=CHEAP,
    )  # fmt: skip
    for suffix in ("", "-wal", "-shm"):
        (directory / f"ledger.db{suffix}").unlink(missing_ok=True)
    party = dict(made.modules["party"])
    first, *_ = party["members"]
    keys = {
        name: [{"key": Key(name).public.hex(), "roles": ["sign", "administer", "read"]}] for name in MEMBERS
    }
    party["members"] = [
        {**first, "keys": keys["bank"]},
        *({"name": name, "keys": keys[name]} for name in MEMBERS[1:]),
    ]
    genesis = replace(made, modules={**made.modules, "party": party})
    raw = write_genesis(genesis)
    (directory / GENESIS_FILE).write_bytes(raw)
    found_ledger(directory, parse_genesis(raw))
    return raw


def member_of(name: str) -> bytes:
    """The id of a member."""
    return founding_member_id(Key(name).public)


def make_seats(directory: Path) -> dict[str, SetSeat]:
    """Keys for the seats of all members; what each says of its seat on the root."""
    with KeyStore.create(directory / SEATS_FILE, PASSPHRASE, CHEAP) as store:
        made = {name: make_seat(store, member_of(name)).keys for name in MEMBERS}
    return {
        name: SetSeat(member_of(name), keys.node.public_key, keys.boxes[-1].public_key, b"", "")
        for name, keys in made.items()
    }


class ChannelTown:
    """The node, asked as one of them."""

    def __init__(self, node: WholeNode, seats: dict[str, SetSeat]) -> None:
        self.node = node
        self.ids = {name: member_of(name) for name in MEMBERS}
        self._salt = 0
        for name, seat in seats.items():
            self.on_root(name, RegisterNode(self.ids[name], seat.node), seat)
        message = RegisterParty(
            self.ids["broker"],
            salt(CLIENT),
            "organisation",
            (PartyKey(Key(CLIENT).public, ("sign", "administer")),),
            CLIENT,
        )
        self.ids[CLIENT] = party_id(self.ids["broker"], message.salt)
        self.on_root("broker", message)

    # asking

    def now_ms(self) -> int:
        """The node's clock."""
        time_ms: int = self.node.client.get("/v1/status").json()["time_ms"]
        return time_ms

    def headers(self, name: str, scope: Any = "submit") -> dict[str, str]:
        """The Authorization header of a party."""
        now_ms = self.now_ms()
        grant = AccessGrant(
            self.node.network, self.node.node, self.ids[name], scope, now_ms, now_ms + MAX_LIFE_MS, bytes(16)
        )
        return {"authorization": f"Bearer {make_token(grant, NamedKey(name))}"}

    def get(self, name: str, path: str) -> httpx.Response:
        """GET as a party."""
        return self.node.client.get(path, headers=self.headers(name))

    def post(self, name: str, path: str, form: Any) -> httpx.Response:
        """POST a form as a party."""
        return self.node.client.post(path, json=to_form(form), headers=self.headers(name))

    def query(self, name: str, channel: bytes, query: str, **fields: Any) -> httpx.Response:
        """A query inside a channel."""
        return self.post(name, f"/v1/channels/{channel.hex()}/queries/{query}", fields)

    def until(self, holds: Callable[[], Any]) -> Any:
        """What a look gives, once it gives something: the node works in a thread of its own."""
        end = time.monotonic() + WAIT_SECONDS
        while not (found := holds()):
            assert time.monotonic() < end, "it never came"
            self.node.client.get("/v1/status")
        return found

    # acting

    def wire(self, ledger: bytes, names: str, *messages: Instruction) -> bytes:
        """A transaction of a ledger signed by parties."""
        self._salt += 1
        until = self.now_ms() + 60_000
        body = encode(Body(self.node.network, ledger, until, self._salt.to_bytes(16, "big"), messages))
        return sign_body(body, [NamedKey(name) for name in names.split()])

    def on_root(self, name: str, *messages: Instruction) -> None:
        """Have it done on the root."""
        headers = {**self.headers(name), **OCTETS}
        raw = self.wire(ROOT, name, *messages)
        answer = self.node.client.post("/v1/transactions", content=raw, headers=headers)
        assert (answer.status_code, answer.json().get("status")) == (200, "final"), answer.text

    def submit(self, name: str, channel: bytes, raw: bytes) -> httpx.Response:
        """Submit a transaction of a channel."""
        headers = {**self.headers(name), **OCTETS}
        return self.node.client.post(
            f"/v1/channels/{channel.hex()}/transactions", content=raw, headers=headers
        )

    def do(self, name: str, channel: bytes, *messages: Instruction, as_client: str = "") -> str:
        """Have it done in a channel; its id, once it is confirmed."""
        answer = self.submit(name, channel, self.wire(channel, as_client or name, *messages))
        assert answer.status_code == 202, answer.text
        path = f"/v1/channels/{channel.hex()}/transactions/{answer.json()['id']}"
        found = self.until(
            lambda: (seen := self.get(name, path).json()).get("status") in ("confirmed", "refused") and seen
        )
        assert (found["status"], found["failure"]) == ("confirmed", None)
        identity: str = answer.json()["id"]
        return identity

    def terms(self, *names: str) -> Terms:
        """Terms for these members, all of whom must agree."""
        members = tuple(sorted(self.ids[name] for name in names))
        return Terms(members, (), 0, len(members), 1, None, ("holding", "settlement"))

    def opened(self, *names: str) -> bytes:
        """A channel of these members, offered by the first and accepted by all."""
        terms, opening = self.terms(*names), salt("-".join(names))
        channel = channel_id(self.node.network, self.ids[names[0]], opening)
        form = {"channel": channel, "epoch": 1, "member": self.ids[names[0]], "members": terms.members}
        made = self.post(names[0], "/v1/channels/keys", form)
        assert made.status_code == 200, made.text
        self.on_root(
            names[0], OpenChannel(self.ids[names[0]], opening, terms, from_form(EpochKey, made.json()))
        )
        for name in names:
            self.until(partial(self._is_ready, name, channel))
            self.on_root(name, AcceptEpoch(self.ids[name], channel, 1, self._offered(name, channel)))
        self.until(lambda: self.get(names[0], f"/v1/channels/{channel.hex()}").json()["executed"])
        return channel

    def _is_ready(self, name: str, channel: bytes) -> bool:
        return self.offers(name).get(channel.hex()) == "ready"

    def _offered(self, name: str, channel: bytes) -> bytes:
        """The id of what is on offer to a member."""
        offers = self.get(name, "/v1/channels").json()["offers"]
        return bytes.fromhex(next(each["offer"] for each in offers if each["channel"] == channel.hex()))

    def offers(self, name: str) -> dict[str, str]:
        """The offers to a member, by channel."""
        return {each["channel"]: each["status"] for each in self.get(name, "/v1/channels").json()["offers"]}


@contextmanager
def channel_town(directory: Path, **access: Any) -> Generator[ChannelTown, None, None]:
    """The node with all seats on its ledger."""
    genesis = make_members(directory)
    seats = make_seats(directory)
    members = tuple(member_of(name) for name in MEMBERS)
    operators = frozenset((member_of("bank"),))
    with whole_node(
        directory, "test", genesis=genesis, seats=members, limits=GENEROUS, operators=operators, **access
    ) as node:
        yield ChannelTown(node, seats)
