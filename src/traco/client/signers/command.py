"""A signer that asks a command: the way to keys in a hardware module, a smart card or a signing service.

    signer = CommandSigner(["bank-hsm", "--slot", "3"])
    print(signer.public_key.hex())

The protocol: for each request the command is started with its arguments, without a shell. On standard input it gets one
line of JSON, then the end of input; on standard output it writes one line of JSON and exits with 0:

    {"request":"public-key"}                    {"public_key":"01..."}
    {"request":"sign","message":"<hex>"}        {"signature":"01..."}
    any of them                                 {"error":"a sentence for people"}    (the exit code does not matter then)

All bytes are lower-case hex. Keys and signatures begin with the scheme byte: 01 ed25519 (key of 32 bytes; signature of the
message itself, R and S), 02 P-256 (compressed point of 33 bytes; ECDSA over SHA-256 of the message, r and s of 32 bytes
each). For P-256 either of the two values of s is taken, because many modules do not choose. What the command writes on
standard error is shown to whoever runs the program.

A command that takes too long, writes too much or answers anything else is an error, and no signature is used before it was
verified. The passphrases of this program are not in the command's environment. A PIN belongs into the command's own
configuration or prompt, never among its arguments, which every user of the machine can read.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import msgspec

from traco.client.signers.errors import SignerError
from traco.kernel.crypto import (
    P256_MAX_S,
    P256_ORDER,
    SIGNATURE_BYTES,
    KeyInvalid,
    Scheme,
    SignatureInvalid,
    check_public_key,
    verify,
)

TIMEOUT_SECONDS: Final = 30.0
"""Long enough for a person to touch a card."""

MAX_ANSWER_BYTES: Final = 16_384
MAX_MESSAGE_BYTES: Final = 65_536
MAX_ARGUMENTS: Final = 64
OWN_VARIABLES: Final = ("TRACO_PASSPHRASE", "TRACO_NEW_PASSPHRASE")
_SHOWN: Final = 200


class CommandSigner:
    """Signs by a command. ``public_key``: refuse any other key; without it the command is asked for its key now.

    Raises ``SignerError``. For several threads: each request is a process of its own.
    """

    def __init__(
        self, command: Sequence[str], public_key: bytes | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        if isinstance(command, str) or not 0 < len(command) <= MAX_ARGUMENTS or not command[0]:
            raise SignerError(
                "signer.command_unusable", "A command is a list: the program, then its arguments."
            )
        self._command = tuple(command)
        self._timeout = timeout
        self._public_key = self._ask_for_key() if public_key is None else _checked_key(public_key)

    @property
    def public_key(self) -> bytes:
        """The public key with its scheme byte."""
        return self._public_key

    def __repr__(self) -> str:
        return f"CommandSigner({self._command[0]!r}, {self._public_key.hex()})"

    def check(self) -> None:
        """Return if the command has the key that it should have. Raises ``SignerError``."""
        found = self._ask_for_key()
        if found != self._public_key:
            raise SignerError(
                "signer.other_key",
                f"{self._command[0]!r} has the key {found.hex()}, not {self._public_key.hex()}.",
            )

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte. Raises ``SignerError``."""
        if len(message) > MAX_MESSAGE_BYTES:
            raise SignerError(
                "signer.command_unusable", f"More than {MAX_MESSAGE_BYTES} bytes cannot be signed."
            )
        signature = _low(self._ask({"request": "sign", "message": message.hex()}, "signature"))
        try:
            verify(self._public_key, message, signature)
        except SignatureInvalid as error:
            raise SignerError(
                "signer.wrong_signature",
                f"What {self._command[0]!r} gave is no signature of the key {self._public_key.hex()} ({error.code}).",
            ) from None
        return signature

    def _ask_for_key(self) -> bytes:
        return _checked_key(self._ask({"request": "public-key"}, "public_key"))

    def _ask(self, request: Mapping[str, str], name: str) -> bytes:
        """The bytes in the answer's field ``name``."""
        status, output = _run(self._command, msgspec.json.encode(request) + b"\n", self._timeout)
        program = self._command[0]
        try:
            answer: Any = msgspec.json.decode(output)
            error = answer.get("error")
        except (ValueError, AttributeError):
            answer, error = {}, None
        if error is not None:
            raise SignerError("signer.command_failed", f"{program!r} says: {_printable(error)}")
        if status != 0:
            raise SignerError(
                "signer.command_failed", f"{program!r} ended with {status}; run it by hand to see why."
            )
        value = answer.get(name)
        if set(answer) != {name} or not isinstance(value, str):
            _strange(program)
        try:
            found = bytes.fromhex(value)
        except ValueError:
            _strange(program)
        if found.hex() != value:
            _strange(program)
        return found


def _run(command: Sequence[str], request: bytes, timeout: float) -> tuple[int, bytes]:
    """Exit code and output of the command, which is ended if it takes too long.

    It stays in the terminal's foreground, so that it can ask for a PIN there, and Ctrl-C ends it too.
    """
    environment = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    try:
        process = subprocess.Popen(  # noqa: S603 -- the user's own command, a list without a shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SignerError(
            "signer.command_unusable", f"{command[0]!r} cannot be started ({reason})."
        ) from None
    deadline = time.monotonic() + timeout
    try:
        output = _exchange(process, request, deadline)
        return process.wait(max(0.0, deadline - time.monotonic())), output
    except (TimeoutError, subprocess.TimeoutExpired):
        raise SignerError(
            "signer.command_timeout", f"{command[0]!r} did not answer within {timeout:g} s and was ended."
        ) from None
    except OverflowError:
        _strange(command[0])
    finally:
        _end(process)


def _exchange(process: "subprocess.Popen[bytes]", request: bytes, deadline: float) -> bytes:
    """Write the request and read the answer, whichever goes. Raises ``TimeoutError``, ``OverflowError``."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    source, sink, output = process.stdout, process.stdin, b""
    os.set_blocking(sink.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        selector.register(sink, selectors.EVENT_WRITE)
        while True:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is sink:
                    request = _written(sink.fileno(), request)
                    if not request:
                        selector.unregister(sink)
                        sink.close()
                    continue
                chunk = os.read(source.fileno(), MAX_ANSWER_BYTES)
                output += chunk
                if len(output) > MAX_ANSWER_BYTES:
                    raise OverflowError
                if not chunk:
                    return output


def _written(descriptor: int, request: bytes) -> bytes:
    """What is left to write; nothing where the command does not want to read."""
    try:
        return request[os.write(descriptor, request) :]
    except BrokenPipeError:
        return b""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the command, if it still runs; wait for it; close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _checked_key(key: bytes) -> bytes:
    try:
        check_public_key(key)
    except KeyInvalid as error:
        raise SignerError(
            "signer.command_answer", f"{key.hex()[:_SHOWN]} is no public key ({error.code})."
        ) from None
    return key


def _low(signature: bytes) -> bytes:
    """The same signature with the value of s that the ledger takes."""
    if signature[:1] != bytes([Scheme.P256]) or len(signature) != SIGNATURE_BYTES:
        return signature
    s = int.from_bytes(signature[33:], "big")
    if not P256_MAX_S < s < P256_ORDER:
        return signature
    return signature[:33] + (P256_ORDER - s).to_bytes(32, "big")


def _printable(error: object) -> str:
    text = error if isinstance(error, str) else "an error without words"
    return "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])


def _strange(program: str) -> NoReturn:
    raise SignerError(
        "signer.command_answer",
        f"The answer of {program!r} is not one of the protocol; see traco.client.signers.command.",
    )
