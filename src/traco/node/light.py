"""What makes a node's answers believable without the node: signed headers of its engine, proofs of its state.

It answers the API process from within the ledger process. What it says is verified by clients: ``client.light``,
``client.witness``.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from traco.client.witness import KeyProofs, key_proof
from traco.engine.cometbft.errors import EngineError, EngineRefused
from traco.engine.cometbft.relayed import read_parameters
from traco.kernel.application import Application
from traco.kernel.light import LightBlock, SignedHeader, ValidatorSet

NO_ENGINE: Final = "the engine does not answer at the moment; it is being started"


class LightUnavailable(RuntimeError):
    """The engine cannot be asked just now."""


class Headers(Protocol):
    """What is asked of the engine. Both raise ``EngineError``, and answer None for a block that it does not have."""

    async def signed_header(self, height: int) -> SignedHeader | None:
        """The header of a block, and the signatures for it."""

    async def validators(self, height: int) -> ValidatorSet | None:
        """The set that signs a block."""

    async def relayed(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's own result, for the engine of a node that joins."""


class LightSource(Protocol):
    """What the link asks for."""

    async def light_block(self, height: int) -> LightBlock | None:
        """The block at a height for light clients; None where there is none. Raises ``LightUnavailable``."""

    def prove(self, keys: tuple[bytes, ...]) -> KeyProofs:
        """Keys of the state as it is now, which may be that of a block that is being committed."""

    async def relayed(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's own result. Raises ``LightUnavailable``, ``EngineRefused``."""


class LedgerLight:
    """Answers from an application's tree, and from an engine that signs headers; ``headers`` is None where none does."""

    def __init__(self, application: Application, headers: Headers | None) -> None:
        self._application, self._headers = application, headers

    async def light_block(self, height: int) -> LightBlock | None:
        """The block at a height for light clients; None where there is none. Raises ``LightUnavailable``."""
        if self._headers is None:
            return None
        try:
            signed = await self._headers.signed_header(height)
            validators = await self._headers.validators(height)
            following = await self._headers.validators(height + 1)
        except EngineError as error:
            raise LightUnavailable(NO_ENGINE) from error
        if signed is None or validators is None or following is None:
            return None
        return LightBlock(signed, validators, following)

    async def relayed(self, method: str, parameters: Mapping[str, str]) -> Any:
        """The engine's own result. Raises ``LightUnavailable``, ``EngineRefused``."""
        if self._headers is None:
            raise EngineRefused("relay.unknown", "no engine signs headers here")
        checked = read_parameters(method, parameters)
        try:
            return await self._headers.relayed(method, checked)
        except EngineRefused:
            raise
        except EngineError as error:
            raise LightUnavailable(NO_ENGINE) from error

    def prove(self, keys: tuple[bytes, ...]) -> KeyProofs:
        """Keys of the state as it is now, which may be that of a block that is being committed."""
        tree = self._application.tree
        return KeyProofs(tree.root(), tuple(key_proof(key, tree.get(key), tree.prove(key)) for key in keys))
