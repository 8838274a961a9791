"""The module's limits: consensus values, founded by the genesis and changed by the council."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Record
from traco.modules.document.statement import MAX_FINGERPRINTS


class DocumentParameters(Record, frozen=True, tag=1):
    """How much a document may have, and how many alike one party may register.

    ``max_fingerprints`` holds for each strength under each key. ``max_similar`` is how many registered documents of
    one registrant may share a fingerprint; it keeps one party from filling the list of matches that a lender reads.
    ``max_inherited`` is how many entries of fingerprints a document may take over from those that it supersedes.
    """

    max_roles: Annotated[int, msgspec.Meta(ge=1, le=32)] = 16
    max_references: Annotated[int, msgspec.Meta(ge=0, le=32)] = 16
    max_fingerprints: Annotated[int, msgspec.Meta(ge=1, le=MAX_FINGERPRINTS)] = 16
    max_similar: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 16
    max_inherited: Annotated[int, msgspec.Meta(ge=0, le=64)] = 32
    max_credit_notes: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 64
    max_service_keys: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
