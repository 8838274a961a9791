"""One engine per validator key on a machine, and the key is free again when its last holder ends."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest

from traco.engine.cometbft import exclusion
from traco.engine.cometbft.errors import EngineError, KeyInUse
from traco.engine.cometbft.exclusion import ValidatorLock, lock_validator

HOLD = """
import sys
from traco.engine.cometbft.exclusion import ValidatorLock
lock = ValidatorLock(bytes.fromhex(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def address() -> bytes:
    return os.urandom(20)


def test_a_key_is_held_once(address: bytes) -> None:
    lock = ValidatorLock(address)
    with pytest.raises(KeyInUse, match=address.hex()):
        ValidatorLock(address)
    lock.release()
    ValidatorLock(address).release()


def test_two_keys_do_not_exclude_each_other(address: bytes) -> None:
    one, other = ValidatorLock(address), ValidatorLock(address[::-1])
    one.release()
    other.release()


def test_another_process_is_kept_out_until_it_is_gone_however_it_goes(address: bytes) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, address.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(KeyInUse):
            ValidatorLock(address)
        holder.kill()
        holder.wait()
        ValidatorLock(address).release()


def test_an_engine_that_is_about_to_end_is_waited_for(address: bytes) -> None:
    async def story() -> None:
        lock = ValidatorLock(address)
        asyncio.get_running_loop().call_later(0.01, lock.release)
        (await lock_validator(address)).release()

    asyncio.run(story())


def test_waiting_has_an_end(address: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusion, "PATIENCE_SECONDS", 0.01)
    lock = ValidatorLock(address)
    with pytest.raises(KeyInUse):
        asyncio.run(lock_validator(address))
    lock.release()


def test_a_system_without_such_names_says_so(address: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(socket.socket):
        def bind(self, name: object) -> None:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(socket, "socket", Other)
    with pytest.raises(EngineError, match=r"engine\.platform"):
        ValidatorLock(address)
