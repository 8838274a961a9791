"""The configuration: one precedence, every mistake at once with its place, nothing unknown, no secret shown."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.node.api.settings import ApiLimits
from traco.node.configuration import (
    CONFIG_FILE,
    SECRETS,
    SETTINGS,
    ConfigurationInvalid,
    NodeConfig,
    TlsConfig,
    configure,
    encode_config,
    read_config,
    shown,
)

FIRST_VERSION = b'{ "format": "traco-node/1", "host": "127.0.0.1", "port": 7470, "verifiers": 1 }'
SECRET = "planted database password"
PARTY = "0f" * 16


def problems(raw: bytes, environment: dict[str, str] | None = None, **flags: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        configure(raw, environment or {}, {name.replace("__", "."): value for name, value in flags.items()})
    assert caught.value.code == "node.config_invalid"
    return caught.value.problems


def test_the_file_of_the_first_version_is_read() -> None:
    assert configure(FIRST_VERSION, {}).config == NodeConfig()


def test_later_sources_win_and_each_value_says_where_it_is_from() -> None:
    file = b'{"port": 2, "log": {"level": "error", "keep": 2}}'
    found = configure(file, {"TRACO_NODE_PORT": "3", "TRACO_NODE_LOG__KEEP": "3"}, {"port": "4"})
    assert (found.config.port, found.config.log.keep, found.config.log.level) == (4, 3, "error")
    assert [found.values[name].source for name in ("port", "log.keep", "log.level", "verifiers")] == [
        "flag",
        "TRACO_NODE_LOG__KEEP",
        "node.json",
        "default",
    ]


def test_texts_become_lists_numbers_truths_and_nothing() -> None:
    found = configure(
        b'{"metrics": {"port": 9}}',
        {
            "TRACO_NODE_AUDITORS": f"{PARTY}, {PARTY}", "TRACO_NODE_METRICS__PORT": "null",
            "TRACO_NODE_PROJECTIONS__ENABLED": "false", "TRACO_NODE_TRACING__ENDPOINT": "",
        },
    ).config  # fmt: skip
    assert (found.auditors, found.metrics.port, found.projections.enabled, found.tracing.endpoint) == (
        (PARTY, PARTY),
        None,
        False,
        None,
    )


def test_all_mistakes_are_said_at_once_each_with_its_place() -> None:
    found = problems(
        b'{"prot": 1, "port": 70000, "log": 3, "limits": {"burts": 1, "request_burst": "many"}, "host": "example.com"}',
        {"TRACO_NODE_VERIFIERS": "few", "TRACO_NODE_PROT": "1", "TRACO_NODE_PROJECTIONS__ENABLED": "perhaps"},
        log__level="loud",
    )
    assert [text.partition(" ")[0] for text in found] == [
        "node.json:", "node.json:", "node.json:", "node.json:", "node.json:", "node.json:",
        "TRACO_NODE_PROJECTIONS__ENABLED:", "environment:", "TRACO_NODE_VERIFIERS:", "flag:",
    ]  # fmt: skip
    said = "\n".join(found)
    for part in ("prot is unknown", "port: Expected `int` <= 65535, not 70000", "log must be an object", "limits.burts is unknown",
                 "an IP address is expected", "true or false is expected", "a whole number is expected", "log.level"):  # fmt: skip
        assert part in said


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b'{"port": -1}', b'{"port": 1.5}', b'{"port": "7470"}', b'{"verifiers": 0}', b'{"verifiers": 65}',
        b'{"host": "localhost"}', b'{"host": "0.0.0.0\\n"}', b'{"format": "traco-node/2"}', b'{"unknown": 1}', b"\xff", b"[" * 100_000,
        b'{"auditors": ["x"]}', b'{"auditors": "x"}', b'{"tls": {"certificate": "c"}}', b'{"tls": 1}', b'{"limits": null}',
        b'{"log.level": "info", "port": null}', b'{"metrics": {"port": 7470}}', b'{"tracing": {"endpoint": "file:///x"}}',
        b'{"projections": {"url": "nothing"}}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused(raw: bytes) -> None:
    assert problems(raw)


def test_a_directory_without_the_file_is_incomplete(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        read_config(tmp_path)
    assert caught.value.code == "node.incomplete"


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(FIRST_VERSION + b" " * 1_048_576)
    with pytest.raises(ConfigurationInvalid, match="longer than"):
        read_config(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"])
def test_an_address_that_others_reach_needs_a_certificate(host: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        configure(FIRST_VERSION, {"TRACO_NODE_HOST": host})
    assert caught.value.code == "node.tls_required"
    assert "TRACO_NODE_HOST" in str(caught.value)
    tls = {"TRACO_NODE_TLS__CERTIFICATE": "a.pem", "TRACO_NODE_TLS__KEY": "b.pem"}
    assert configure(FIRST_VERSION, {"TRACO_NODE_HOST": host, **tls}).config.tls == TlsConfig(
        certificate="a.pem", key="b.pem"
    )


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (NodeConfig(port=1), "http://127.0.0.1:1"),
        (NodeConfig(host="::1", port=1), "http://[::1]:1"),
        (NodeConfig(host="0.0.0.0", port=1, tls=TlsConfig(certificate="c", key="k")), "https://127.0.0.1:1"),
        (NodeConfig(host="::", port=1, tls=TlsConfig(certificate="c", key="k")), "https://[::1]:1"),
    ],
)
def test_the_address_is_one_that_this_machine_can_ask(config: NodeConfig, url: str) -> None:
    assert config.url == url


def test_a_password_comes_from_the_environment_only_and_is_never_shown() -> None:
    variable = SETTINGS["projections.password"].variable
    found = configure(FIRST_VERSION, {variable: SECRET})
    assert found.config.projections.password == SECRET
    assert shown("projections.password", SECRET) == "(set)"
    assert SECRET not in repr(found.config) + str(found.config)
    assert SECRET not in encode_config(found.config).decode()
    file = msgspec.json.encode({"projections": {"password": SECRET}})
    for said in (problems(file), problems(b"{}", projections__password=SECRET)):
        assert SECRET not in "\n".join(said)


@pytest.mark.parametrize(
    "url", [f"postgresql://user:{SECRET}@host/name", f"postgresql://host/name?password={SECRET}"]
)
def test_a_database_address_with_a_password_is_refused_without_showing_it(url: str) -> None:
    said = "\n".join(problems(msgspec.json.encode({"projections": {"url": url}})))
    assert "password_file" in said
    assert SECRET not in said


PEER_ID = "ab" * 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p2p_host", "node.example"), ("p2p_port", 0), ("external_address", "node.example"), ("external_address", "a:65536"),
        ("external_address", "a:b:1"), ("external_address", "a:01"), ("bootstrap_peers", ["a:1"]), ("bootstrap_peers", [f"{PEER_ID}@a"]),
        ("bootstrap_peers", [f"{PEER_ID.upper()}@a:1"]), ("bootstrap_peers", [f"{PEER_ID}@a:1,"]), ("retain_blocks", 99_999),
        ("retain_blocks", -1), ("metrics_port", 0),
    ],
)  # fmt: skip
def test_what_the_engine_could_not_use_is_refused(name: str, value: object) -> None:
    [problem] = problems(msgspec.json.encode({"engine": {name: value}}))
    assert problem.startswith(f"node.json: engine.{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("external_address", "node-1.example:26656"), ("external_address", "[2001:db8::1]:1"), ("external_address", ""),
        ("bootstrap_peers", [f"{PEER_ID}@10.0.0.1:26656", f"{PEER_ID}@[::1]:1"]), ("retain_blocks", 0), ("retain_blocks", 100_000),
        ("p2p_host", "::"),
    ],
)  # fmt: skip
def test_what_the_engine_can_use_is_taken(name: str, value: object) -> None:
    config = configure(msgspec.json.encode({"engine": {name: value}}), {}).config
    found = getattr(config.engine, name)
    assert (list(found) if isinstance(found, tuple) else found) == value


def test_other_nodes_and_clients_do_not_share_a_port() -> None:
    shared = {"port": 7_470, "engine": {"p2p_port": 7_470}}
    assert problems(msgspec.json.encode(shared)) == [
        "engine.p2p_port is the port of the REST interface; choose another one"
    ]
    shared["engine"] = {"p2p_port": 7_470, "p2p_host": "10.0.0.1"}
    assert configure(msgspec.json.encode(shared), {}).config.engine.p2p_port == 7_470


def test_two_places_for_one_password_are_refused() -> None:
    environment = {
        "TRACO_NODE_PROJECTIONS__PASSWORD": SECRET,
        "TRACO_NODE_PROJECTIONS__PASSWORD_FILE": "file",
    }
    assert "keep one" in problems(b"{}", environment)[0]


def test_what_is_written_is_read_back() -> None:
    config = NodeConfig(
        host="::1", port=1, verifiers=64, auditors=(PARTY,), tls=TlsConfig(certificate="c", key="k"),
        limits=ApiLimits(request_burst=9),
    )  # fmt: skip
    assert configure(encode_config(config), {}).config == config
    assert msgspec.json.decode(encode_config(NodeConfig())) == msgspec.json.decode(FIRST_VERSION)


def test_every_setting_says_what_it_is_and_its_default_is_one() -> None:
    for setting in SETTINGS.values():
        assert setting.description
        if setting.name not in ("tls.certificate", "tls.key"):
            kind: Any = setting.kind
            assert msgspec.convert(setting.default, kind) == setting.default
    assert set(SECRETS) <= SETTINGS.keys()


def without_password(config: NodeConfig) -> NodeConfig:
    projections = msgspec.structs.replace(config.projections, password=None)
    return msgspec.structs.replace(config, projections=projections)


NAMES = st.sampled_from([*SETTINGS, *(part for name in SETTINGS for part in name.split(".")), "unknown"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)


@given(st.dictionaries(NAMES | st.text(), VALUES), st.dictionaries(NAMES, st.text()))
def test_whatever_is_configured_is_a_configuration_or_refused(
    document: dict[str, Any], flags: dict[str, str]
) -> None:
    variables = {SETTINGS[name].variable: text for name, text in flags.items() if name in SETTINGS}
    for raw in (msgspec.json.encode(document), b"{}"):
        for environment, given_flags in ((variables, {}), ({}, flags)):
            with suppress(ConfigurationInvalid):
                found = configure(raw, environment, given_flags).config
                assert configure(encode_config(found), {}).config == without_password(found)


@given(st.binary())
def test_whatever_bytes_are_in_the_file_it_is_a_configuration_or_refused(raw: bytes) -> None:
    with suppress(ConfigurationInvalid):
        configure(raw, {})


def test_the_table_of_the_guide_is_made_from_the_structs() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for name, setting in SETTINGS.items():
        assert (
            f"| `{name}` | `{msgspec.json.encode(setting.default).decode()}` | {setting.description} |\n"
            in guide
        )
