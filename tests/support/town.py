"""A node that asks for tokens, with parties that have business: what tests of access ask about.

``alice`` owns one of everything, mostly with the operator (the founding member) as the other side; ``bob`` has nothing to do with
any of it; ``lender`` made offers for her requests but ``open request``; ``auditor`` is one by the node's configuration. Each is known by a name and has
the keys ``Key(name)`` (sign, administer), ``Key(name + " reader")`` (read) and ``Key(name + " gone")`` (removed again).
"""

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from support.api import WholeNode, whole_node
from support.ledger import Key
from traco.client.access import MAX_LIFE_MS, AccessGrant, Scope, make_token
from traco.client.forms import from_form
from traco.client.sdk import sign_body
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import Instruction
from traco.kernel.operations import Propose, proposal_id
from traco.kernel.transaction import Body
from traco.modules.document.messages import BUYER, SELLER, NamedParty, Payable, RegisterDocument, document_id
from traco.modules.document.statement import SignedStatement
from traco.modules.financing.messages import (
    CancelFinancing,
    FixedPrice,
    MakeOffer,
    RequestFinancing,
    financing_id,
    offer_id,
)
from traco.modules.holding.messages import (
    AccountKind,
    Attach,
    CreateInstrument,
    CreditControl,
    DebitControl,
    Hold,
    InstrumentKind,
    Issue,
    OpenAccount,
    Pledge,
    ReleaseHold,
    Transfer,
    account_id,
    attachment_id,
    hold_id,
    instrument_id,
    pledge_id,
)
from traco.modules.party.messages import BeginRecovery, ChangeKeys, GrantRole, RegisterParty, party_id
from traco.modules.party.state import PartyKey, Policy, PolicyRule
from traco.modules.settlement.messages import Cancel, CreateBatch, SettlementInstruction, batch_id
from traco.node.api.settings import ApiLimits

OCTETS = {"content-type": "application/octet-stream"}
NAMES = ("alice", "bob", "lender", "auditor", "shy")
OPERATOR = "operator"
ROLES = ("cash_operator", "authority")
GENEROUS = ApiLimits(anonymous_per_second=1_000_000, anonymous_burst=1_000_000)  # tests ask from one address


def salt(name: str) -> bytes:
    """A salt for a name."""
    return sha256(name.encode()).digest()[:16]


def party_of(member: bytes, name: str) -> bytes:
    """The id of the party with a name."""
    return party_id(member, salt(name))


class Town:
    """The node and what is on its ledger; ``ids`` of objects by name."""

    def __init__(self, node: WholeNode) -> None:
        self.node = node
        self.ids: dict[str, bytes] = {name: party_of(node.member, name) for name in NAMES}
        self.ids[OPERATOR] = node.member
        self.placed: dict[str, bytes] = {}  # ids of transactions by what they did
        self._salt = 0
        self._register()
        self._give_business()
        self._finance()
        self._end_some()
        node.project()

    # asking

    def now_ms(self) -> int:
        """The node's clock."""
        time_ms: int = self.node.client.get("/v1/status").json()["time_ms"]
        return time_ms

    def signer(self, name: str) -> Any:
        """The first key of a party."""
        return self.node.signer if name == OPERATOR else NamedKey(name)

    def token(
        self, name: str, scope: Scope = "submit", *, signer: Any = None, issued_ms: int | None = None,
        life_ms: int = MAX_LIFE_MS, **changes: Any,
    ) -> str:  # fmt: skip
        """A token of a party by name; ``changes`` are fields of the grant."""
        now_ms = self.now_ms() if issued_ms is None else issued_ms
        fields = {
            "network": self.node.network, "node": self.node.node, "party": self.ids.get(name, bytes(16)), "scope": scope,
            "issued_ms": now_ms, "expires_ms": now_ms + life_ms, "salt": bytes(16),
        }  # fmt: skip
        return make_token(AccessGrant(**{**fields, **changes}), signer or self.signer(name))

    def headers(self, name: str, scope: Scope = "submit", **more: Any) -> dict[str, str]:
        """The Authorization header of a party."""
        return {"authorization": f"Bearer {self.token(name, scope, **more)}"}

    def get(self, name: str, path: str, **options: Any) -> httpx.Response:
        """GET as a party."""
        return self.node.client.get(path, headers=self.headers(name), **options)

    def query(self, name: str, query: str, **fields: Any) -> httpx.Response:
        """A module's query as a party; bytes are given as they are."""
        form = {key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()}
        return self.node.client.post(f"/v1/queries/{query}", json=form, headers=self.headers(name))

    # acting

    def wire(self, names: str, *messages: Instruction) -> bytes:
        """A transaction signed by the parties whose names are given, separated by spaces."""
        self._salt += 1
        until = self.now_ms() + 60_000
        body = encode(Body(self.node.network, ROOT, until, self._salt.to_bytes(16, "big"), messages))
        return sign_body(body, [self.signer(name) for name in names.split()])

    def submit(self, name: str, raw: bytes) -> httpx.Response:
        """Submit as a party, whoever signed."""
        headers = {**self.headers(name), **OCTETS}
        return self.node.client.post("/v1/transactions", content=raw, headers=headers)

    def do(self, names: str, *messages: Instruction) -> bytes:
        """Have it done, submitted by the first of the names; the transaction's id."""
        answer = self.submit(names.split(maxsplit=1)[0], self.wire(names, *messages))
        assert (answer.status_code, answer.json().get("status")) == (200, "final"), answer.text
        return bytes.fromhex(answer.json()["id"])

    # making

    def _register(self) -> None:
        member = self.node.member
        for name in NAMES:
            keys = [PartyKey(Key(name).public, ("sign", "administer"))]
            keys += [PartyKey(Key(f"{name} {other}").public, roles) for other, roles in _OTHER_KEYS]
            ordered = tuple(sorted(keys, key=lambda entry: entry.key))
            policy = Policy(1, (PolicyRule("*", 2),)) if name == "shy" else Policy()
            self.do(OPERATOR, RegisterParty(member, salt(name), "organisation", ordered, name, policy=policy))
        for name in NAMES:
            self.do(name, ChangeKeys(self.ids[name], (), (), (Key(f"{name} gone").public,), None))
        for role in ROLES:
            self.do(OPERATOR, GrantRole((member,), member, role))

    def _give_business(self) -> None:
        member, alice = self.node.member, self.ids["alice"]
        for code, kind, currency in (
            ("BOND", InstrumentKind.SECURITY, None),
            ("EUR", InstrumentKind.CASH, "EUR"),
        ):
            self.do(OPERATOR, CreateInstrument(member, code, kind, currency, 2, bytes(32), (member,)))
            self.ids[code] = instrument_id(member, code)
        for name in ("alice", "bob", "lender", OPERATOR):
            self.ids[f"account of {name}"] = self._account(name)
        account, bond, far = self.ids["account of alice"], self.ids["BOND"], self.now_ms() + 3_600_000
        self.placed["issue"] = self.do(OPERATOR, Issue(member, bond, account, 1_000, b"start"))
        self.placed["of bob"] = self.do(
            OPERATOR, Issue(member, bond, self.ids["account of bob"], 7, b"bob's")
        )
        operators = self.ids[f"account of {OPERATOR}"]
        self.placed["transfer"] = self.do("alice", Transfer(alice, bond, account, operators, 10, b"rent"))
        self.do("alice", Hold(alice, account, bond, 5, member, far, b"", salt("hold")))
        self.ids["hold"] = hold_id(alice, salt("hold"))
        self.do("alice", Pledge(alice, account, bond, 5, member, b"", salt("pledge")))
        self.ids["pledge"] = pledge_id(alice, salt("pledge"))
        self.do(OPERATOR, Attach(member, account, bond, 5, bytes(32), salt("attachment")))
        self.ids["attachment"] = attachment_id(member, salt("attachment"))
        self._batch("batch")
        self.do(
            OPERATOR,
            BeginRecovery(member, alice, (PartyKey(Key("new").public, ("sign", "administer")),), Policy()),
        )
        operation = encode((Transfer(self.ids["shy"], bond, account, account, 1, b""),))
        self.do("shy", Propose(self.ids["shy"], operation, far, salt("proposal")))
        self.ids["proposal"] = proposal_id(self.node.network, self.ids["shy"], salt("proposal"), operation)

    def _account(self, name: str) -> bytes:
        party = self.ids[name]
        self.do(
            name, OpenAccount(party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name))
        )  # fmt: skip
        return account_id(party, salt(name))

    def _batch(self, name: str) -> None:
        alice, member = self.ids["alice"], self.node.member
        legs = (SettlementInstruction(alice, member, self.ids["BOND"], 3),)
        deadline_ms = self.now_ms() + 3_600_000
        self.placed[name] = self.do(
            OPERATOR, CreateBatch(member, legs, (member,), False, deadline_ms, salt(name))
        )
        self.ids[name] = batch_id(member, salt(name))

    def _finance(self) -> None:
        self.document("document", "inv4711")
        self.request("financing", "document")
        self.offer("offer", "financing")
        self.request("ended request", "document")
        self.offer("ended offer", "ended request")
        self.do("alice", CancelFinancing(self.ids["alice"], self.ids["ended request"], "test.ended"))
        self.document("shown document", "inv4712")
        self.request("open request", "shown document")
        self.document("other document", "inv4713")

    def document(self, name: str, number: str) -> None:
        """Have alice register an invoice with a number."""
        alice, commitment = self.ids["alice"], sha256(name.encode()).digest()
        fields = {
            "direction": "debit", "number": number, "issue_date": "2026-09-01", "amount": 5_000, "currency": "EUR",
            "seller": "alice", "buyer": "operator",
        }  # fmt: skip
        request = {
            "caller": alice.hex(), "fields": fields, "content_commitment": commitment.hex(), "register": True,
        }  # fmt: skip
        answer = self.node.client.post("/v1/fingerprints", json=request, headers=self.headers("alice"))
        assert answer.status_code == 200, answer.text
        statement: SignedStatement = from_form(SignedStatement, answer.json())
        roles = (NamedParty(SELLER, alice), NamedParty(BUYER, self.node.member))
        self.placed[name] = self.do(
            "alice", RegisterDocument(alice, salt(name), "invoice", "ubl.invoice", commitment, statement, roles,
                                      Payable("EUR", 5_000), "2026-09-01", "2027-09-01"),
        )  # fmt: skip
        self.ids[name] = document_id(alice, salt(name))

    def request(self, name: str, document: str) -> None:
        """Have alice ask for financing of a document; both by name."""
        alice, far = self.ids["alice"], self.now_ms() + 3_600_000
        request = RequestFinancing(
            alice, self.ids[document], 5_000, self.ids["EUR"], bytes(32), far, salt(name)
        )
        self.do("alice", request)
        self.ids[name] = financing_id(alice, salt(name))

    def offer(self, name: str, financing: str, by: str = "lender", document: str = "document") -> None:
        """Have a lender offer to buy it for 49.00, to be affirmed when accepted."""
        lender, account, far = self.ids[by], self.ids[f"account of {by}"], self.now_ms() + 3_600_000
        self.placed[name] = self.do(by, MakeOffer(lender, self.ids[financing], self.ids["EUR"], 5_000, FixedPrice(4_900), bytes(32), False,
                                    True, (), sha256(document.encode()).digest(), False, far, account, account,
                                    salt(name)))  # fmt: skip
        self.ids[name] = offer_id(lender, salt(name))

    def _end_some(self) -> None:
        """Objects that end: the state no longer tells whose they were."""
        alice, account, far = self.ids["alice"], self.ids["account of alice"], self.now_ms() + 3_600_000
        self._batch("ended batch")
        self.do(OPERATOR, Cancel(self.node.member, self.ids["ended batch"], "test.ended"))
        self.do(
            "alice", Hold(alice, account, self.ids["BOND"], 5, self.node.member, far, b"", salt("ended hold"))
        )
        self.ids["ended hold"] = hold_id(alice, salt("ended hold"))
        self.placed["release"] = self.do(OPERATOR, ReleaseHold(self.node.member, self.ids["ended hold"]))


_OTHER_KEYS: tuple[tuple[str, Any], ...] = (("reader", ("read",)), ("second", ("sign",)), ("gone", ("sign",)))


class NamedKey:
    """``Key`` of a name as a signer."""

    def __init__(self, name: str) -> None:
        self._key = Key(name)

    @property
    def public_key(self) -> bytes:
        """The public key, scheme byte first."""
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        return self._key.sign(message)


@contextmanager
def town(directory: Path, **access: Any) -> Generator[Town, None, None]:
    """The node with everything on its ledger."""
    auditors = lambda member: frozenset((party_of(member, "auditor"),))  # noqa: E731
    settings = {"limits": GENEROUS, **access}
    with whole_node(directory, "test", auditors=auditors, **settings) as node:
        yield Town(node)
