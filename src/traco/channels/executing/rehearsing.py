"""What would become of a leg if its channel's next entry were it: for who is about to send one. Nothing of it is kept."""

from traco.channels.executing.composition import Composition
from traco.channels.executing.registry_view import RegistryView, RootState
from traco.kernel.block import BlockRun
from traco.kernel.errors import Failure
from traco.kernel.instruction import KernelParameters
from traco.kernel.module import BlockContext
from traco.kernel.protocol import protocol_of
from traco.kernel.state import State
from traco.kernel.used_ids import UsedIds
from traco.modules.leg.ports import Entering


def rehearse(
    composition: Composition, view: RegistryView, place: tuple[bytes, bytes], state: State, root: RootState, time_ms: int,
    leg: Entering, transaction: bytes,
) -> Failure | None:  # fmt: skip
    """Why a leg would be refused now, on the channel's committed ``state``, or None. ``place``: network and channel.

    What is changed in ``state`` is to be thrown away. The channel may change before the leg comes: then so may the answer.
    """
    network, channel = place
    view.stand(root, root.height)
    moment_ms = _within(composition, state, transaction, time_ms)
    block = BlockContext(network, channel, root.height + 1, moment_ms, protocol_of(state).current)
    run = BlockRun(
        composition.registry,
        composition.parameters,
        state,
        block,
        UsedIds(),
        composition.screener,
        _not_alarmed,
    )
    run.begin()
    with composition.door.entering(leg):
        (answer,) = run.run_transactions(0, (transaction,))
    return answer.failure


def _within(composition: Composition, state: State, transaction: bytes, time_ms: int) -> int:
    """A time at which the transaction is valid: how late it really is, who seals it judges by the root's clock."""
    try:
        until_ms: int = composition.registry.transaction.decode(transaction).body.valid_until
    except ValueError:
        return time_ms  # it is refused as malformed
    window_ms = composition.parameters.get(state, KernelParameters).window_ms
    return min(max(time_ms, until_ms - window_ms), max(until_ms - 1, 0))


def _not_alarmed(kind: str, identity: bytes, error: BaseException) -> None:
    """Nothing happened: who asked is told that the ledger's code failed (``kernel.fault``)."""
