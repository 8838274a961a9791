"""What the machine can do: the baselines that every figure is held against, measured in the same run."""

import os
import statistics
import time
from pathlib import Path

from nacl.bindings import crypto_sign_open
from nacl.signing import SigningKey


def verify_per_second(checks: int = 20_000) -> float:
    """Raw ed25519 checks per second on one thread (PyNaCl), over messages as long as ours."""
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    signed = [bytes(key.sign(number.to_bytes(52, "big"))) for number in range(1_000)]
    start = time.perf_counter()
    for number in range(checks):
        crypto_sign_open(signed[number % 1_000], public)
    return checks / (time.perf_counter() - start)


def fsync_ms(directory: Path, times: int = 200) -> dict[str, float]:
    """Append 4 KiB and fsync, in ms: p50 and p99."""
    path = directory / "fsync.probe"
    taken = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file, bytes(4_096))
            os.fsync(file)
            taken.append((time.perf_counter() - start) * 1e3)
    finally:
        os.close(file)
        path.unlink()
    return {"p50": statistics.median(taken), "p99": percentile(taken, 99)}


def percentile(values: list[float], rank: int) -> float:
    """The value below which ``rank`` per cent of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * rank // 100) - 1))]


def memory_mib(process: int) -> float:
    """Resident memory of a process, its peak, in MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell the peak of a process")
