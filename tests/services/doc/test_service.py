"""The fingerprint service: rate limit, log, keys of several versions, signature."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from traco.client.signer import Ed25519Signer
from traco.kernel import crypto
from traco.modules.document.statement import statement_message
from traco.services.doc import (
    Fingerprinter,
    FingerprintKey,
    FingerprintRefused,
    FingerprintService,
    InvoiceFields,
    RateLimit,
    RequestLog,
    fingerprints_of,
)
from traco.services.doc.service import RateLimiter

NETWORK = b"\x11" * 32
COMMITMENT = b"\x22" * 32
FIRST = FingerprintKey(1, b"\x01" * 32)
SECOND = FingerprintKey(2, b"\x02" * 32)
SIGNER = Ed25519Signer.from_seed(b"\x33" * 32)
FIELDS = InvoiceFields(
    direction="debit",
    number="inv4711",
    issue_date="2026-03-09",
    amount=10324620,
    currency="EUR",
    seller="examplesellerltd",
    buyer="examplebuyerplc",
)


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "requests.jsonl"


@pytest.fixture
def log(log_path: Path) -> Iterator[RequestLog]:
    opened = RequestLog(log_path)
    yield opened
    opened.close()


Make = Callable[..., FingerprintService]


@pytest.fixture
def make(clock: Clock, log: RequestLog) -> Make:
    def made(*keys: FingerprintKey, **changes: Any) -> FingerprintService:
        settings: dict[str, Any] = {
            "network": NETWORK,
            "keys": keys or (FIRST,),
            "signer": SIGNER,
            "clock_ms": clock,
            "limit": RateLimit(burst=3, interval_ms=1000),
            "overall": RateLimit(burst=1_000, interval_ms=1),
            "log": log,
        }
        return FingerprintService(**{**settings, **changes})

    return made


def refused(call: Callable[[], object]) -> FingerprintRefused:
    with pytest.raises(FingerprintRefused) as caught:
        call()
    return caught.value


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_the_service_is_a_fingerprinter(make: Make) -> None:
    fingerprinter: Fingerprinter = make()
    assert fingerprinter.key_fields("bank", FIELDS, COMMITMENT, True).statement.network == NETWORK


def test_the_statement_carries_network_commitment_and_fingerprints(make: Make) -> None:
    statement = make().key_fields("bank", FIELDS, COMMITMENT, True).statement
    assert (statement.network, statement.content_commitment, statement.fingerprints) == (
        NETWORK,
        COMMITMENT,
        (fingerprints_of(FIRST, FIELDS),),
    )


def test_the_signature_is_over_the_statement(make: Make) -> None:
    signed = make().key_fields("bank", FIELDS, COMMITMENT, True)
    assert signed.statement.service == SIGNER.public_key
    crypto.verify(SIGNER.public_key, statement_message(signed.statement), signed.signature)


def test_the_signature_is_over_nothing_else(make: Make) -> None:
    signed = make().key_fields("bank", FIELDS, COMMITMENT, True)
    other = msgspec.structs.replace(signed.statement, content_commitment=bytes(32))
    with pytest.raises(crypto.SignatureInvalid):
        crypto.verify(SIGNER.public_key, statement_message(other), signed.signature)


def test_checking_gives_the_same_result_as_registering(make: Make) -> None:
    service = make(FIRST, SECOND)
    assert service.key_fields("seller", FIELDS, COMMITMENT, True) == service.key_fields(
        "bank", FIELDS, COMMITMENT, False
    )


def test_every_active_key_is_used_the_current_one_first(make: Make) -> None:
    statement = make(FIRST, SECOND).key_fields("bank", FIELDS, COMMITMENT, True).statement
    assert statement.fingerprints == (fingerprints_of(SECOND, FIELDS), fingerprints_of(FIRST, FIELDS))


def test_a_document_from_before_a_rotation_still_matches(make: Make) -> None:
    before = make(FIRST).key_fields("bank", FIELDS, COMMITMENT, True).statement.fingerprints[0]
    after = make(FIRST, SECOND).key_fields("bank", FIELDS, COMMITMENT, True).statement.fingerprints
    assert [entry.exact for entry in after if entry.key_version == 1] == [before.exact]


def test_a_request_is_logged_without_its_fields(make: Make, log_path: Path) -> None:
    make().key_fields("bank", FIELDS, COMMITMENT, False)
    assert lines(log_path) == [
        {
            "time_ms": 1_000_000,
            "caller": "bank",
            "content_commitment": COMMITMENT.hex(),
            "register": False,
            "outcome": "keyed",
        }
    ]


def test_requests_beyond_the_burst_are_refused_until_a_token_is_back(make: Make, clock: Clock) -> None:
    service = make()
    for _ in range(3):
        service.key_fields("bank", FIELDS, COMMITMENT, False)
    error = refused(lambda: service.key_fields("bank", FIELDS, COMMITMENT, False))
    clock.now_ms += 999
    assert refused(lambda: service.key_fields("bank", FIELDS, COMMITMENT, False)).retry_after_ms == 1
    clock.now_ms += 1
    service.key_fields("bank", FIELDS, COMMITMENT, False)
    assert (error.code, error.retry_after_ms) == ("fingerprint.rate_limited", 1000)


def test_callers_do_not_use_up_each_others_tokens(make: Make) -> None:
    service = make(limit=RateLimit(burst=1, interval_ms=1000))
    service.key_fields("one bank", FIELDS, COMMITMENT, False)
    assert service.key_fields("another bank", FIELDS, COMMITMENT, False).statement.network == NETWORK


def test_callers_with_ever_new_names_share_one_limit(make: Make, clock: Clock) -> None:
    service = make(overall=RateLimit(burst=5, interval_ms=100))
    for name in range(5):
        service.key_fields(f"bank {name}", FIELDS, COMMITMENT, False)
    error = refused(lambda: service.key_fields("bank 5", FIELDS, COMMITMENT, False))
    assert (error.code, error.retry_after_ms) == ("fingerprint.rate_limited", 100)
    clock.now_ms += 99
    assert refused(lambda: service.key_fields("bank 6", FIELDS, COMMITMENT, False)).retry_after_ms == 1
    clock.now_ms += 1
    assert service.key_fields("bank 7", FIELDS, COMMITMENT, False).statement.network == NETWORK


def test_what_all_callers_together_may_not_ask_costs_a_caller_nothing(make: Make, clock: Clock) -> None:
    service = make(limit=RateLimit(burst=1, interval_ms=1_000), overall=RateLimit(burst=1, interval_ms=10))
    service.key_fields("one bank", FIELDS, COMMITMENT, False)
    refused(lambda: service.key_fields("another bank", FIELDS, COMMITMENT, False))
    clock.now_ms += 10
    assert service.key_fields("another bank", FIELDS, COMMITMENT, False).statement.network == NETWORK


def test_requests_refused_to_one_caller_take_nothing_from_the_others(make: Make) -> None:
    limits = {
        "limit": RateLimit(burst=1, interval_ms=60_000),
        "overall": RateLimit(burst=3, interval_ms=60_000),
    }
    service = make(**limits)
    service.key_fields("flooding", FIELDS, COMMITMENT, False)
    for _ in range(10):
        refused(lambda: service.key_fields("flooding", FIELDS, COMMITMENT, False))
    assert service.key_fields("bank", FIELDS, COMMITMENT, False).statement.network == NETWORK


def test_refusals_do_not_wait_for_the_disk(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    service = make(limit=RateLimit(burst=1, interval_ms=60_000))
    service.key_fields("bank", FIELDS, COMMITMENT, False)
    for _ in range(5):
        refused(lambda: service.key_fields("bank", FIELDS, COMMITMENT, False))
    assert len(synced) == 1


def test_a_refusal_is_logged(make: Make, log_path: Path) -> None:
    service = make(limit=RateLimit(burst=1, interval_ms=1000))
    service.key_fields("bank", FIELDS, COMMITMENT, False)
    refused(lambda: service.key_fields("bank", FIELDS, COMMITMENT, True))
    assert [(line["register"], line["outcome"]) for line in lines(log_path)] == [
        (False, "keyed"),
        (True, "fingerprint.rate_limited"),
    ]


def test_fields_that_are_not_normal_are_refused_and_logged(make: Make, log_path: Path) -> None:
    fields = msgspec.structs.replace(FIELDS, seller="Example Seller")
    error = refused(lambda: make().key_fields("bank", fields, COMMITMENT, True))
    assert (error.code, [line["outcome"] for line in lines(log_path)]) == (
        "fingerprint.not_normal",
        ["fingerprint.not_normal"],
    )


@pytest.mark.parametrize("caller", ["", "x" * 129])
def test_a_caller_without_a_proper_name_is_refused(make: Make, caller: str) -> None:
    assert (
        refused(lambda: make().key_fields(caller, FIELDS, COMMITMENT, True)).code
        == "fingerprint.caller_invalid"
    )


def test_a_caller_with_the_longest_name_is_served(make: Make) -> None:
    assert make().key_fields("x" * 128, FIELDS, COMMITMENT, True).statement.network == NETWORK


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_commitment_of_another_length_is_refused(make: Make, length: int) -> None:
    error = refused(lambda: make().key_fields("bank", FIELDS, bytes(length), True))
    assert error.code == "fingerprint.commitment_invalid"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_request_that_cannot_be_logged_is_not_answered(make: Make) -> None:
    full = RequestLog(Path("/dev/full"))
    error = refused(lambda: make(log=full).key_fields("bank", FIELDS, COMMITMENT, True))
    full.close()
    assert error.code == "fingerprint.log_unavailable"


def test_a_caller_may_hold_any_text_without_breaking_a_line(make: Make, log_path: Path) -> None:
    make().key_fields('a\n"\u00e4\u2028', FIELDS, COMMITMENT, True)
    assert [line["caller"] for line in lines(log_path)] == ['a\n"\u00e4\u2028']


def test_the_log_is_continued_after_a_restart(log_path: Path) -> None:
    for caller in ("first", "second"):
        log = RequestLog(log_path)
        log.append(1, caller, COMMITMENT, True, "keyed")
        log.close()
    assert [line["caller"] for line in lines(log_path)] == ["first", "second"]


def test_a_line_torn_by_a_crash_does_not_spoil_the_next(log_path: Path) -> None:
    log_path.write_bytes(b'{"time_ms": 1, "cal')
    log = RequestLog(log_path)
    log.append(2, "bank", COMMITMENT, True, "keyed")
    log.close()
    assert json.loads(log_path.read_bytes().split(b"\n")[1])["time_ms"] == 2


def test_the_log_is_for_its_owner_only(log: RequestLog, log_path: Path) -> None:
    assert os.stat(log_path).st_mode & 0o777 == 0o600


def test_requests_from_several_threads_are_all_logged_and_counted(make: Make, log_path: Path) -> None:
    service = make(limit=RateLimit(burst=10, interval_ms=1000))
    outcomes: list[str] = []

    def ask() -> None:
        try:
            service.key_fields("bank", FIELDS, COMMITMENT, False)
            outcomes.append("keyed")
        except FingerprintRefused as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        sorted(outcomes)
        == sorted(line["outcome"] for line in lines(log_path))
        == (["fingerprint.rate_limited"] * 10 + ["keyed"] * 10)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"network": bytes(31)},
        {"network": bytes(33)},
        {"keys": ()},
        {"keys": tuple(FingerprintKey(version, bytes(32)) for version in range(1, 6))},
        {"keys": (FIRST, FingerprintKey(1, bytes(32)))},
    ],
)
def test_a_wrong_configuration_is_refused(make: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        make(**changes)


def test_four_keys_may_be_active(make: Make) -> None:
    service = make(*(FingerprintKey(version, bytes(32)) for version in range(1, 5)))
    statement = service.key_fields("bank", FIELDS, COMMITMENT, True).statement
    assert [entry.key_version for entry in statement.fingerprints] == [4, 3, 2, 1]


@pytest.mark.parametrize(("burst", "interval_ms"), [(0, 1), (1, 0), (-1, 1)])
def test_a_wrong_rate_limit_is_refused(burst: int, interval_ms: int) -> None:
    with pytest.raises(ValueError):
        RateLimit(burst=burst, interval_ms=interval_ms)


def test_a_clock_set_back_gives_no_tokens_and_takes_none() -> None:
    limiter = RateLimiter(RateLimit(burst=1, interval_ms=100))
    limiter.take("bank", 1000)
    assert refused(lambda: limiter.take("bank", 10)).retry_after_ms == 100
    limiter.take("bank", 1100)


def test_callers_whose_buckets_are_full_are_forgotten() -> None:
    limiter = RateLimiter(RateLimit(burst=1, interval_ms=100), maximum_callers=2)
    limiter.take("one", 1000)
    limiter.take("two", 1000)
    limiter.take("three", 1100)
    assert refused(lambda: limiter.take("three", 1199)).code == "fingerprint.rate_limited"


def test_more_callers_than_can_be_counted_are_refused() -> None:
    limiter = RateLimiter(RateLimit(burst=1, interval_ms=100), maximum_callers=2)
    limiter.take("one", 1000)
    limiter.take("two", 1000)
    error = refused(lambda: limiter.take("three", 1099))
    assert (error.code, error.retry_after_ms) == ("fingerprint.busy", 100)


def test_a_known_caller_is_served_while_others_are_turned_away() -> None:
    limiter = RateLimiter(RateLimit(burst=2, interval_ms=100), maximum_callers=1)
    limiter.take("one", 1000)
    limiter.take("one", 1000)
    assert refused(lambda: limiter.take("two", 1000)).code == "fingerprint.busy"
