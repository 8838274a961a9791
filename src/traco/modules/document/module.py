"""The document module: what it adds to a ledger."""

from collections.abc import Mapping
from typing import Any

from traco.kernel.module import Context, Module, Query
from traco.modules.document import events, genesis, invariants, messages, queries
from traco.modules.document.errors import ERRORS
from traco.modules.document.handlers import Handlers
from traco.modules.document.keeper import Keeper
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.ports import Parties
from traco.modules.document.state import PREFIX


class DocumentModule(Module):
    """Registration of documents without their content; ``keeper`` serves the modules that build on it."""

    name = "document"
    prefix = PREFIX

    def __init__(self, parties: Parties) -> None:
        super().__init__()
        self.keeper = Keeper()
        handlers = Handlers(self.keeper, parties)
        answers = queries.Queries(self.keeper)
        self.instructions = {
            messages.RegisterDocument: handlers.register,
            messages.ConfirmDocument: handlers.confirm,
            messages.DisputeDocument: handlers.dispute,
            messages.WithdrawDispute: handlers.withdraw_dispute,
            messages.CancelDocument: handlers.cancel,
            messages.SupersedeDocument: handlers.supersede,
            messages.NameParty: handlers.name_party,
            messages.SetFingerprintKey: handlers.set_fingerprint_key,
        }
        self.queries = {
            "document.get": Query(queries.DocumentQuery, answers.get, "A document and its status."),
            "document.by_party": Query(
                queries.DocumentsByParty, answers.by_party, "A page of the documents of a party."
            ),
            "document.matches": Query(
                queries.MatchesQuery, answers.matches, "Documents that share facts with a document."
            ),
            "document.fingerprint_keys": Query(
                queries.FingerprintKeysQuery, answers.fingerprint_keys, "Keys of the fingerprint service."
            ),
        }
        self.events = (
            events.DocumentRegistered, events.DocumentMatched, events.DocumentConfirmed, events.DocumentDisputed,
            events.DisputeWithdrawn, events.DocumentCancelled, events.DocumentSuperseded, events.PartyNamed,
            events.FinancedMarked, events.FinancedUnmarked, events.FingerprintKeySet,
        )  # fmt: skip
        self.errors = ERRORS
        self.parameters = DocumentParameters()
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)

    def genesis(self, context: Context, section: Mapping[str, Any]) -> None:
        """Write the section ``modules.document`` of the genesis document."""
        genesis.found(self.keeper, context, section)
