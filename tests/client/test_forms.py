from typing import Any

import msgspec
import pytest

from traco.client.forms import FormInvalid, form_type, from_form, to_form
from traco.kernel.instruction import Instruction
from traco.kernel.registry import tag_of
from traco.modules.composition import compose
from traco.modules.holding.messages import OpenAccount, Transfer
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl
from traco.modules.party.messages import RegisterParty
from traco.modules.party.state import Band, Identifier, PartyKey, Policy, PolicyRule
from traco.modules.settlement.messages import Affirm, IntoAccount, OwnHolding, PassThrough

ID, OTHER, SALT = b"\x0a" * 16, b"\x0b" * 16, bytes(16)
KEY = PartyKey(b"\x01" * 33, ("sign",))
EXAMPLES: list[Instruction] = [
    Transfer(ID, ID, ID, OTHER, 5, b"rent"),
    OpenAccount(ID, ID, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, SALT),
    RegisterParty(ID, SALT, "organisation", (KEY,), "Example", identifiers=(Identifier("0199", "X"),)),
    RegisterParty(ID, SALT, "person", (KEY,), policy=Policy(1, (PolicyRule("*", 1, Band(ID, 5)),))),
    Affirm(ID, OTHER, bytes(32), ((0, OwnHolding(ID)), (1, PassThrough(0))), ((1, IntoAccount(OTHER)),)),
]


@pytest.mark.parametrize("instruction", EXAMPLES, ids=lambda each: tag_of(type(each)))
def test_a_form_gives_the_same_record_back(instruction: Instruction) -> None:
    form = msgspec.json.decode(msgspec.json.encode(to_form(instruction)))
    assert from_form(type(instruction), form) == instruction


@pytest.mark.parametrize("kind", list(compose().handlers), ids=tag_of)
def test_every_instruction_has_a_form_with_a_schema(kind: type[Instruction]) -> None:
    assert "properties" in msgspec.json.schema(form_type(kind))["$defs"][kind.__name__]


def test_a_left_out_field_has_its_default() -> None:
    form = {
        "type": "party.register/1", "party": ID.hex(), "salt": SALT.hex(), "kind": "organisation", "name": "Example",
        "keys": [{"key": KEY.key.hex(), "roles": ["sign"]}],
    }  # fmt: skip
    assert from_form(RegisterParty, form) == RegisterParty(ID, SALT, "organisation", (KEY,), "Example")


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": "5"},
        {"sender": "0a"},
        {"sender": "0A" * 16},
        {"more": 1},
        {"type": "holding.issue/1"},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormInvalid):
        from_form(Transfer, {**to_form(EXAMPLES[0]), **change})
