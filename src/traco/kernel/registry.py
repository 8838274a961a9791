"""The ledger's composition: which modules there are, and everything derived from their declarations."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec

from traco.kernel.codec import Codec, Record
from traco.kernel.errors import Rejected
from traco.kernel.instruction import Consequence, Event, Instruction
from traco.kernel.module import (
    Admission,
    Authority,
    Context,
    Handler,
    Invariant,
    LedgerInvariant,
    Module,
    Query,
)
from traco.kernel.receipt import Receipt
from traco.kernel.transaction import Body, Transaction


class Registry:
    """All modules of a ledger in their fixed order, and the codecs and look-up tables made from them."""

    def __init__(self, modules: Sequence[Module], authority: Authority) -> None:
        _unique("name", [module.name for module in modules])
        _unique("prefix", [str(module.prefix) for module in modules])
        _check_protocols(modules)
        self.modules: Final = tuple(modules)
        self.since_protocol: Final = {module.name: module.since_protocol for module in modules}
        self.authority: Final = authority
        self.handlers: Final[dict[type[Instruction], Handler]] = _merge(
            module.instructions for module in modules
        )
        self.consequences: Final[dict[type[Consequence], Handler]] = _merge(m.consequences for m in modules)
        self.queries: Final[dict[str, Query]] = _merge(module.queries for module in modules)
        self.due: Final[dict[str, Callable[[Context, bytes], None]]] = _merge(
            module.due for module in modules
        )
        self.admission: Final[tuple[Admission, ...]] = tuple(hook for m in modules for hook in m.admission)
        # each with the set, as bits, of the first bytes of keys that it watches
        self.invariants: Final[tuple[tuple[int, Invariant], ...]] = tuple(
            (_watched(module), check) for module in modules for check in module.invariants
        )
        self.ledger_invariants: Final[tuple[tuple[str, LedgerInvariant], ...]] = tuple(
            (module.name, check) for module in modules for check in module.ledger_invariants
        )
        self.errors: Final[dict[str, type[Rejected]]] = _by_code(modules)
        self.events: Final[tuple[type[Event], ...]] = tuple(event for m in modules for event in m.events)
        self.event_kinds: Final = dict.fromkeys(self.events)
        self._derive_codecs()

    def _derive_codecs(self) -> None:
        instruction = _union(self.handlers)
        instructions = tuple[instruction, ...]  # type: ignore[valid-type]
        body = _typed(Body, instructions=instructions)
        self.instructions: Codec[tuple[Instruction, ...]] = Codec(instructions)
        self.body: Codec[Body] = Codec(body)
        self.transaction: Codec[Transaction] = Codec(_typed(Transaction, body=body))
        self.consequence: Codec[Consequence] = Codec(_union(self.consequences))
        self.receipt: Codec[Receipt] = Codec(_typed(Receipt, events=tuple[_union(self.events), ...]))  # type: ignore[misc]

    def instruction_named(self, name: str) -> type[Instruction] | None:
        """The instruction type with this tag, such as ``holding.transfer/1``."""
        return next((kind for kind in self.handlers if tag_of(kind) == name), None)


def tag_of(kind: type[Record]) -> str:
    """The stable name and version of an instruction, event or consequence."""
    return str(kind.__struct_config__.tag)


def _typed(base: type[Record], **fields: Any) -> Any:
    """The same record with some fields typed by the registry; same tag, same bytes."""
    annotations = {field.name: field.type for field in msgspec.structs.fields(base)}
    annotations.update(fields)
    return msgspec.defstruct(
        base.__name__, list(annotations.items()), bases=(Record,), tag=base.__struct_config__.tag,
        array_like=True, frozen=True, forbid_unknown_fields=True,
    )  # fmt: skip


def _union(kinds: Any) -> Any:
    types = list(kinds)
    return reduce(or_, types) if types else msgspec.UnsetType


def _merge(mappings: Any) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            if key in merged:
                raise ValueError(f"declared twice: {key}")
            merged[key] = value
    return merged


def _by_code(modules: Sequence[Module]) -> dict[str, type[Rejected]]:
    errors: Mapping[str, type[Rejected]] = _merge({e.code: e for e in module.errors} for module in modules)
    return dict(errors)


def _watched(module: Module) -> int:
    return reduce(or_, (1 << prefix for prefix in (module.prefix, *module.watches)))


def _check_protocols(modules: Sequence[Module]) -> None:
    for module in modules:
        for kind in module.instructions:
            if kind.since_protocol < module.since_protocol:
                raise ValueError(f"{tag_of(kind)} is older than its module {module.name}")


def _unique(what: str, values: Sequence[str]) -> None:
    if len(dict.fromkeys(values)) != len(values):
        raise ValueError(f"two modules share a {what}: {values}")
