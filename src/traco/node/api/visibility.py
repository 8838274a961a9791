"""What of the ledger a party sees. Everything here is by declaration, and what is not declared is refused.

    queries         ``query_rules.QUERIES``: everybody's (registers), or of the parties that the object asked for concerns
    events          ``event_fields.FIELDS``: which fields of events name parties, accounts, documents and other objects
    transactions    seen by the parties that act in them and by those whom their events concern
    blocks          everybody sees that a leaf exists; its outcome only who sees the transaction
    invitations     who names an open request for financing may read it, and what a lender looks at before it offers

Auditors and operators see everything. For a party, an object of others is answered like one that does not exist.
"""

from typing import Any, Final

import msgspec

from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.modules.financing.queries import MAX_PAGE
from traco.node.api.concerns import Concerns
from traco.node.api.principals import Principal
from traco.node.api.problems import Problem
from traco.node.api.query_rules import QUERIES
from traco.node.api.sight import Sight
from traco.storage.committed import CommittedLeaf

_LOOKED_PAGES: Final = 100


def hidden() -> Problem:
    """The answer for an object of others, and for one that does not exist."""
    return Problem(
        404, "object.unknown", "there is no such object among those that you may see",
        advice="Check the id; objects of other parties are answered like this too.",
    )  # fmt: skip


class View:
    """The ledger as one principal sees it, as of one state. ``concerns`` may be None for who reads everything."""

    def __init__(
        self, principal: Principal, registry: Registry, state: State, concerns: Concerns | None
    ) -> None:
        self._registry = registry
        self._state = state
        self._sight: Sight | None = None
        if principal.party is not None and not principal.reads_everything:
            if concerns is None:
                raise ValueError("a party sees nothing without knowing what concerns it")
            self._sight = Sight(principal.party, registry, state, concerns)

    def ask(self, name: str, request: Any) -> Any:
        """The answer of a module's query as far as the principal may see it.

        Raises ``Problem``: 404 for objects of others, 403 for a query that does not say who may ask.
        """
        self.require(name, request)
        if self.is_filtered(name):
            return self.rows(name, request, request.limit)
        return self.answer(name, request)

    def is_filtered(self, name: str) -> bool:
        """Whether rows are left out of a list for the principal."""
        return self._sight is not None and QUERIES[name].shows is not None

    def rows(self, name: str, request: Any, most: int) -> list[Any]:
        """Up to ``most`` rows of a list that the principal sees: full pages, so that those left out cannot be counted.

        Only behind ``require``. Raises ``Problem`` (503) where very many would have to be looked through.
        """
        shown: list[Any] = []
        after = request.after
        for _ in range(_LOOKED_PAGES):
            wanted = msgspec.structs.replace(request, after=after, limit=MAX_PAGE)
            page = self.answer(name, wanted)
            shown += self._shown(name, request, page)
            if len(shown) >= most or len(page) < MAX_PAGE:
                return shown[:most]
            after = page[-1].id
        raise Problem(
            503, "list.too_long", f"more than {_LOOKED_PAGES * MAX_PAGE} rows would have to be looked through",
            advice="Ask for the object itself by its id.",
        )  # fmt: skip

    def answer(self, name: str, request: Any) -> Any:
        """The whole answer: only behind ``require``, and where it is not ``is_filtered``."""
        return self._registry.queries[name].answer(self._state, request)

    def require(self, name: str, request: Any) -> None:
        """Return where the principal may ask this. Raises as ``ask``."""
        if self._sight is None:
            return
        rule = QUERIES.get(name)
        if rule is None:
            raise Problem(
                403, "access.undeclared", f"only auditors may ask {name}, because it does not say who may",
                advice="Tell the developers: this is a fault of the node's software.",
            )  # fmt: skip
        if rule.allows is not None and not rule.allows(self._sight, request):
            raise hidden()

    def sees_any(self, identity: bytes) -> bool:
        """Whether something of this id concerns the principal."""
        return self._sight is None or self._sight.sees_any(identity)

    def _shown(self, name: str, request: Any, page: Any) -> Any:
        shows = QUERIES[name].shows
        return page if shows is None or self._sight is None else shows(self._sight, request, page)

    def sees_leaf(self, leaf: CommittedLeaf) -> bool:
        """Whether the principal sees a transaction, due item or envelope."""
        return self._sight is None or self._sight.sees_leaf(leaf)

    def may_prove(self, leaf: CommittedLeaf) -> bool:
        """Whether it may have a transaction's receipt."""
        return self._sight is None or self._sight.sees_leaf(leaf) or self._sight.may_prove(leaf)

    def sees_event(self, leaf: CommittedLeaf, event: Any) -> bool:
        """Whether it sees an event: with its transaction, or by itself."""
        return self._sight is None or self._sight.sees_event(event) or self._sight.sees_leaf(leaf)
