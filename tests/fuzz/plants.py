"""Known faults, planted into the code under a target in its own process: a fuzzer that does not find them is no alarm."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final


def _codec_accepts_every_form() -> None:
    codec: Any = import_module("traco.kernel.codec").Codec
    codec.decode = lambda self, raw: self.trusted(raw)


def _seals_are_not_verified() -> None:
    import_module("traco.kernel.seal").crypto.is_valid = lambda *_: True


def _votes_are_not_verified() -> None:
    import_module("traco.kernel.light.commits").crypto.is_valid = lambda *_: True


def _leaves_of_a_block_are_not_held_against_its_record() -> None:
    restoring: Any = import_module("traco.storage.copying.restoring")
    restoring.require = lambda *_: None


def _padding_is_not_checked() -> None:
    payloads: Any = import_module("traco.channels.sealing.payloads")
    payloads.unpad = lambda padded, _around: padded[4 : 4 + int.from_bytes(padded[:4], "big")]


def _outcomes_are_not_looked_for_below_their_root() -> None:
    receipts: Any = import_module("traco.client.channel_receipts")
    receipts.verify_outcome = lambda *_: None


def _state_proofs_are_not_verified() -> None:
    total: Any = import_module("traco.channels.disclosing.total")
    total.verify_presence = lambda *_: None


def _amounts_are_read_by_the_language() -> None:
    for module in ("amounts", "fields"):
        loaded: Any = import_module(f"traco.services.doc.{module}")
        loaded.minor_units = lambda text, _currency: int(float(text) * 100)


def _terms_are_not_held_against_their_id() -> None:
    for module in ("traco.cli.deal_files", "traco.client.channel_deals"):
        loaded: Any = import_module(module)
        loaded.require_terms = lambda _terms: None


PLANTS: Final[Mapping[str, Callable[[], None]]] = {
    "codec": _codec_accepts_every_form,
    "channel_receipt": _outcomes_are_not_looked_for_below_their_root,
    "channel_total": _state_proofs_are_not_verified,
    "deal": _terms_are_not_held_against_their_id,
    "checkpoint": _seals_are_not_verified,
    "evidence": _votes_are_not_verified,
    "snapshot": _leaves_of_a_block_are_not_held_against_its_record,
    "payload": _padding_is_not_checked,
    "invoice": _amounts_are_read_by_the_language,
}
"""The target that must find it, and what plants it."""
