"""How signing outside of this process fails.

LedgerError
└── SignerError     ``code`` is stable:
                    ``signer.keyring_unavailable``  there is no keyring, or none that protects what it keeps
                    ``signer.keyring_failed``       it is locked, or refused
                    ``signer.key_unknown``          it has no key of this name
                    ``signer.key_exists``           it has one already
                    ``signer.key_damaged``          what it has under the name is no key
                    ``signer.name_unusable``        the name cannot be one
                    ``signer.command_unusable``     the command cannot be started, or is no list of arguments
                    ``signer.command_timeout``      it did not answer in time
                    ``signer.command_failed``       it ended with an error, or said one
                    ``signer.command_answer``       its answer is not one of the protocol
                    ``signer.other_key``            it has another key than it should
                    ``signer.wrong_signature``      what it gave does not verify
                    ``signer.file_...``             the file that names signers cannot be used
"""

from traco.kernel.errors import LedgerError


class SignerError(LedgerError):
    """A signer did not sign. ``detail`` says what happened and what to do, and holds nothing secret."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
