"""What can go wrong with the CometBFT process and with asking it.

LedgerError
├── EngineError            a stable code, what happened, and what to do
│   ├── EngineMissing      CometBFT is not installed, or is not the program that was installed
│   ├── EngineKeysInvalid  key files that are missing, readable for others, or damaged
│   ├── KeyInUse           another engine on this machine signs with the same validator key
│   ├── EngineFailed       the engine cannot go on; a restart does not help
│   ├── EngineBusy         asked at a moment when it takes nothing: pool full, catching up
│   ├── KnownTransaction   it has this transaction already; not an error for who wants it ordered
│   ├── EngineGone         there is no connection to it
│   └── EngineRefused      it answered that the request cannot be answered
"""

from traco.kernel.errors import LedgerError


class EngineError(LedgerError):
    """Something about the engine; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class EngineMissing(EngineError):
    """CometBFT is not installed, or what is there is not what was installed."""


class EngineKeysInvalid(EngineError):
    """The engine's key files are missing, open to others, or damaged."""


class KeyInUse(EngineError):
    """Another engine on this machine holds the same validator key: two that sign with one key break the network's safety."""


class EngineFailed(EngineError):
    """The engine cannot go on, and starting it again does not help."""


class EngineBusy(EngineError):
    """The engine takes nothing at the moment: its pool is full, or it is catching up. Try again later."""


class KnownTransaction(EngineError):
    """The engine has seen this transaction before; it is in its pool, or was."""


class EngineGone(EngineError):
    """There is no connection to the engine."""


class EngineRefused(EngineError):
    """The engine answered with an error: an unknown height, a transaction that is too long, a wrong argument."""
