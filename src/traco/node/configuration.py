"""The configuration of a node: what can be set, where it comes from, and what is wrong with it.

    defaults < node.json < environment (TRACO_NODE_...) < flags of `traco node start`

The structs below are the only definition: reading, checking, `traco node config` and the table in docs/operating.md are
made from them. Every mistake is reported at once, each with the place it comes from. Nothing here changes what the ledger does.
"""

import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from traco.kernel.errors import LedgerError
from traco.node.api.settings import ApiLimits
from traco.node.channels.settings import ChannelsConfig, channel_problems
from traco.node.setting_checks import CHECKS

CONFIG_FILE: Final = "node.json"
ENVIRONMENT: Final = "TRACO_NODE_"
SECRETS: Final = ("projections.password",)
"""Come from the environment alone, and are never printed."""
_UNSHOWN: Final = (*SECRETS, "projections.url")  # a mistaken one may hold a password
MAX_FILE_BYTES: Final = 1_048_576
_MAX_SHOWN: Final = 80

_Meta = msgspec.Meta
_Port = Annotated[int, _Meta(ge=0, le=65_535)]
_Party = Annotated[str, _Meta(pattern="^[0-9a-f]{32}$(?!\\n)")]


class ConfigurationInvalid(LedgerError):
    """The configuration cannot be used. ``problems`` has a sentence for each mistake, with the place it comes from."""

    def __init__(self, code: str, problems: list[str]) -> None:
        super().__init__(f"{code}: {'; '.join(problems)}")
        self.code = code
        self.problems = problems


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A part of the configuration with names of its own."""


class TlsConfig(_Section, frozen=True):
    """The certificate that the node shows; needed on every address but loopback."""

    certificate: Annotated[
        str, _Meta(description="file with the certificate chain (PEM), from the node's directory")
    ]
    key: Annotated[str, _Meta(description="file with its private key (PEM, mode 0600)")]


class ProjectionsConfig(_Section, frozen=True):
    """The SQL tables made from the ledger."""

    enabled: Annotated[bool, _Meta(description="whether the projector runs")] = True
    url: Annotated[
        str | None,
        _Meta(description="database, such as postgresql://user@host/name; null: projections.db in the directory"),
    ] = None  # fmt: skip
    password_file: Annotated[
        str | None, _Meta(description="file (mode 0600) with the database's password")
    ] = None
    password: Annotated[
        str | None, _Meta(description="the password itself; from the environment only, never printed")
    ] = None

    def __repr__(self) -> str:
        """Without the password: representations end up in logs."""
        return f"ProjectionsConfig(enabled={self.enabled}, url={self.url!r}, password_file={self.password_file!r})"


class LogConfig(_Section, frozen=True):
    """What ``node.log`` holds, in which form, and for how long."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], _Meta(description="the least level that is written")
    ] = "info"
    format: Annotated[
        Literal["text", "json"], _Meta(description="lines for people, or one JSON object per line")
    ] = "text"
    max_bytes: Annotated[
        int,
        _Meta(ge=65_536, le=2**40, description="size at which node.log becomes node.log.1 and a new one begins"),
    ] = 33_554_432  # fmt: skip
    keep: Annotated[int, _Meta(ge=1, le=1_000, description="how many older logs are kept")] = 10
    access: Annotated[bool, _Meta(description="whether each answered request is written, at level info")] = (
        False
    )


class MetricsConfig(_Section, frozen=True):
    """Figures for Prometheus."""

    enabled: Annotated[bool, _Meta(description="whether figures are served")] = True
    port: Annotated[
        Annotated[int, _Meta(ge=1, le=65_535)] | None,
        _Meta(description="port on 127.0.0.1 that serves /metrics without a token; null: none"),
    ] = None  # fmt: skip


class TracingConfig(_Section, frozen=True):
    """Traces by OpenTelemetry; needs the extra ``tracing``."""

    endpoint: Annotated[
        str | None, _Meta(description="OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; null: none")
    ] = None


class HealthConfig(_Section, frozen=True):
    """When the node says that it is not ready."""

    stall_seconds: Annotated[
        int, _Meta(ge=1, le=3_600, description="the ledger is stalled when it gives no answer, or no block, for so long")
    ] = 10  # fmt: skip
    free_bytes: Annotated[
        int, _Meta(ge=0, le=2**50, description="free space on the disk below which the node is not ready")
    ] = 536_870_912
    projections_lag_blocks: Annotated[
        int, _Meta(ge=0, le=2**40, description="blocks that projections may be behind before it is reported")
    ] = 100


class EngineConfig(_Section, frozen=True):
    """How this node meets the others of a cluster; nothing here counts with the embedded engine."""

    p2p_host: Annotated[str, _Meta(description="IP address on which the engine listens for other nodes")] = (
        "127.0.0.1"
    )
    p2p_port: Annotated[int, _Meta(ge=1, le=65_535, description="TCP port of the engine for other nodes")] = (
        26_656
    )
    external_address: Annotated[
        str,
        _Meta(description="host:port under which others reach it, where it is not the address on the ledger"),
    ] = ""
    bootstrap_peers: Annotated[
        tuple[str, ...],
        _Meta(description="peers (id@host:port) to connect to as long as this node does not know the ledger's"),
    ] = ()  # fmt: skip
    snapshot_interval_blocks: Annotated[
        int,
        _Meta(ge=0, le=2**40, description="blocks between snapshots for nodes that join; 0: none are made"),
    ] = 10_000
    retain_blocks: Annotated[
        int, _Meta(ge=0, le=2**40, description="the engine's blocks that are kept, 100,000 at least; 0: all of them")
    ] = 0  # fmt: skip
    state_sync: Annotated[
        bool, _Meta(description="whether a node without state begins with a snapshot instead of the first block")
    ] = False  # fmt: skip
    ca_file: Annotated[
        str | None,
        _Meta(description="file (PEM) with the authorities that vouch for the gateways of other members; null: the system's"),
    ] = None  # fmt: skip
    program: Annotated[
        str | None, _Meta(description="the cometbft program, cometbft.json beside it; null: that of traco engine install")
    ] = None  # fmt: skip
    metrics_port: Annotated[
        Annotated[int, _Meta(ge=1, le=65_535)] | None,
        _Meta(description="port on 127.0.0.1 that serves the engine's own metrics; null: none"),
    ] = None  # fmt: skip


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is local to one node; nothing here may differ in its effect on the ledger."""

    format: Annotated[Literal["traco-node/1"], _Meta(description="the format of this file")] = "traco-node/1"
    host: Annotated[str, _Meta(description="IP address to listen on; any other than loopback needs tls")] = (
        "127.0.0.1"
    )
    port: Annotated[_Port, _Meta(description="TCP port of the REST interface")] = 7_470
    # one keeps up with the ledger process; a second one beside it only competes where there are two cores
    verifiers: Annotated[int, _Meta(ge=1, le=64, description="processes that check signatures")] = 1
    auditors: Annotated[
        tuple[_Party, ...], _Meta(description="ids of the parties that may read everything")
    ] = ()
    operators: Annotated[
        tuple[_Party, ...],
        _Meta(description="ids of the parties that may also see the node's inside; the founding member is one"),
    ] = ()  # fmt: skip
    tls: TlsConfig | None = None
    limits: ApiLimits = ApiLimits()
    projections: ProjectionsConfig = ProjectionsConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    tracing: TracingConfig = TracingConfig()
    health: HealthConfig = HealthConfig()
    engine: EngineConfig = EngineConfig()
    channels: ChannelsConfig = ChannelsConfig()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the node."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """The address of the REST interface, for clients on this machine where it listens on all addresses."""
        host = ipaddress.ip_address(self.host)
        if host.is_unspecified:
            host = ipaddress.ip_address("::1" if host.version == 6 else "127.0.0.1")
        name = f"[{host}]" if host.version == 6 else str(host)
        return f"{'http' if self.tls is None else 'https'}://{name}:{self.port}"


class Setting(NamedTuple):
    """One value that can be set, by its dotted name. ``default`` is ``msgspec.NODEFAULT`` inside of an optional section."""

    name: str
    kind: Any
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT + self.name.replace(".", "__").upper()


class Chosen(NamedTuple):
    """The value of a setting, and where it comes from."""

    value: Any
    source: str


class Configured(NamedTuple):
    """A node's configuration, and every value of it by its dotted name."""

    config: NodeConfig
    values: Mapping[str, Chosen]


def _section_of(kind: Any) -> Any:
    """The struct of a section, or None for a plain value."""
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return each
    return None


def _settings(kind: Any, prefix: str = "") -> Iterator[Setting]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        section = _section_of(hints[field.name])
        if section is not None:
            yield from _settings(section, f"{prefix}{field.name}.")
            continue
        said = [meta.description for meta in get_args(hints[field.name]) if isinstance(meta, msgspec.Meta)]
        default = None if field.default is msgspec.NODEFAULT else field.default
        yield Setting(prefix + field.name, hints[field.name], default, said[-1] or "")


SETTINGS: Final[Mapping[str, Setting]] = {setting.name: setting for setting in _settings(NodeConfig)}
"""Everything that can be set, by its dotted name, in the order of the structs."""
_SECTIONS: Final = frozenset(name.rpartition(".")[0] for name in SETTINGS) - {""}


def read_config(directory: Path) -> NodeConfig:
    """The configuration by file and environment. Raises ``ConfigurationInvalid``."""
    return read_configuration(directory).config


def read_configuration(
    directory: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Configured:
    """The configuration of a node's directory. ``flags``: dotted names and texts from the command line.

    Raises ``ConfigurationInvalid`` with every mistake: ``node.tls_required`` where an address lacks its certificate, else
    ``node.config_invalid``.
    """
    return configure(_read_file(directory), environment, flags)


def configure(
    raw: bytes, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Configured:
    """As ``read_configuration``, from the content of the file."""
    chosen = {name: Chosen(setting.default, "default") for name, setting in SETTINGS.items()}
    problems: list[str] = []
    for layer in (
        _from_file(raw, problems),
        _from_environment(os.environ if environment is None else environment, problems),
        _from_flags(flags or {}, problems),
    ):
        chosen.update(layer)
    if problems:
        raise ConfigurationInvalid("node.config_invalid", problems)
    config = _assemble(chosen, problems)
    if problems or config is None:
        raise ConfigurationInvalid("node.config_invalid", problems)
    if not config.is_loopback and config.tls is None:
        raise ConfigurationInvalid("node.tls_required", [_tls_required(chosen["host"])])
    return Configured(config, chosen)


def encode_config(config: NodeConfig) -> bytes:
    """The content of ``node.json``: what is most often looked for, and whatever is not the default; never a secret."""
    config = msgspec.structs.replace(
        config, projections=msgspec.structs.replace(config.projections, password=None)
    )
    first = {"format": config.format, "host": config.host, "port": config.port, "verifiers": config.verifiers}
    others = {name: value for name, value in msgspec.to_builtins(config).items() if value != {}}
    return msgspec.json.format(msgspec.json.encode({**first, **others}), indent=2) + b"\n"


def shown(name: str, value: Any) -> Any:
    """A value as it may be printed."""
    if name in SECRETS:
        return None if value is None else "(set)"
    return list(value) if isinstance(value, tuple) else value


def _read_file(directory: Path) -> bytes:
    path = directory / CONFIG_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationInvalid(
            "node.incomplete",
            [f"{path} cannot be read ({error.strerror}); restore it from a backup, or make a node: traco node init DIR"],
        ) from None  # fmt: skip
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigurationInvalid("node.config_invalid", [f"{path} is longer than {MAX_FILE_BYTES} bytes"])
    return raw


# What each layer says


def _from_file(raw: bytes, problems: list[str]) -> dict[str, Chosen]:
    try:
        document = msgspec.json.decode(raw)
    except (ValueError, RecursionError) as error:
        problems.append(f"{CONFIG_FILE}: it is no JSON document ({error})")
        return {}
    if not isinstance(document, dict):
        problems.append(f"{CONFIG_FILE}: it is not a JSON object")
        return {}
    found: dict[str, Chosen] = {}
    for name, value in _flat(document, problems):
        if name in SECRETS:
            problems.append(
                f"{CONFIG_FILE}: {name} is a secret; put it into a file ({name}_file) or the environment"
            )
        else:
            _choose(found, name, CONFIG_FILE, _converted, value, problems)
    return found


def _flat(document: dict[str, Any], problems: list[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted names of a document that are settings, with their values."""
    for key, value in document.items():
        name = prefix + key
        if name in SETTINGS:
            yield name, value
        elif name not in _SECTIONS:
            problems.append(f"{CONFIG_FILE}: {_cut(name)} is unknown{_nearest(name)}")
        elif isinstance(value, dict):
            yield from _flat(value, problems, f"{name}.")
        elif value is not None or name != "tls":
            problems.append(f"{CONFIG_FILE}: {name} must be an object")


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, Chosen]:
    variables = {setting.variable: name for name, setting in SETTINGS.items()}
    found: dict[str, Chosen] = {}
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT):
            continue
        if variable not in variables:
            problems.append(f"environment: {_cut(variable)} is unknown; `traco node config` lists the names")
            continue
        _choose(found, variables[variable], variable, _read_text, environment[variable], problems)
    return found


def _from_flags(flags: Mapping[str, str], problems: list[str]) -> dict[str, Chosen]:
    found: dict[str, Chosen] = {}
    for name, text in flags.items():
        if name in SECRETS:
            problems.append(
                f"flag {name}: a secret on a command line is seen by everybody; use {SETTINGS[name].variable}"
            )
        elif name not in SETTINGS:
            problems.append(f"flag {_cut(name)}: unknown{_nearest(name)}")
        else:
            _choose(found, name, "flag", _read_text, text, problems)
    return found


def _choose(
    found: dict[str, Chosen], name: str, source: str, read: Callable[[Setting, Any], Any], value: Any,
    problems: list[str],
) -> None:  # fmt: skip
    try:
        found[name] = Chosen(read(SETTINGS[name], value), source)
    except ValueError as error:
        said = "" if name in _UNSHOWN else f", not {_cut(repr(value))}"
        problems.append(f"{source}: {name}: {str(error).partition(' - at ')[0]}{said}")


def _converted(setting: Setting, value: Any) -> Any:
    converted = msgspec.convert(value, setting.kind)
    check = CHECKS.get(setting.name)
    if check is not None and converted is not None:
        check(converted)
    return converted


def _read_text(setting: Setting, text: str) -> Any:
    """A value from a text: lists with commas, ``null`` (or nothing) where there may be none."""
    kinds = _plain_kinds(setting.kind)
    if NoneType in kinds and text in ("", "null"):
        return None
    if tuple in kinds:
        return _converted(setting, [part.strip() for part in text.split(",") if part.strip()])
    if bool in kinds or int in kinds:
        return _converted(setting, _number_or_truth(text, bool if bool in kinds else int))
    return _converted(setting, text)


def _number_or_truth(text: str, kind: type[int]) -> int:
    try:
        return msgspec.convert(text, kind, strict=False)
    except ValueError:
        raise ValueError(
            "true or false is expected" if kind is bool else "a whole number is expected"
        ) from None


def _plain_kinds(kind: Any) -> set[Any]:
    """The types that a setting's type is made of."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain_kinds(get_args(kind)[0])
    if origin is tuple:
        return {tuple}
    if origin is Literal:
        return {str}
    arguments = get_args(kind)
    return set().union(*map(_plain_kinds, arguments)) if arguments else {kind}


# What must hold


def _assemble(chosen: Mapping[str, Chosen], problems: list[str]) -> NodeConfig | None:
    """The structs from the values, and the rules between values."""
    document: dict[str, Any] = {}
    for name, (value, _) in chosen.items():
        section, _, field = name.rpartition(".")
        (document.setdefault(section, {}) if section else document)[field] = value
    tls = document["tls"]
    if None in tls.values():
        document["tls"] = None
        if set(tls.values()) != {None}:
            missing = next(name for name, value in tls.items() if value is None)
            problems.append(f"tls.{missing} is missing: certificate and key belong together")
    secrets = [name for name in ("password", "password_file") if document["projections"][name] is not None]
    if len(secrets) == 2:
        problems.append("projections.password and projections.password_file are both set; keep one")
    if document["metrics"]["port"] == document["port"]:
        problems.append("metrics.port is the port of the REST interface; choose another one")
    if (
        document["engine"]["p2p_port"] == document["port"]
        and document["engine"]["p2p_host"] == document["host"]
    ):
        problems.append("engine.p2p_port is the port of the REST interface; choose another one")
    problems += channel_problems(document["channels"])
    return None if problems else msgspec.convert(document, NodeConfig)


def _tls_required(host: Chosen) -> str:
    return (
        f"{host.source}: host is {host.value}, which other machines can reach; set tls.certificate and tls.key, or listen on "
        "127.0.0.1"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _nearest(name: str) -> str:
    """A known name with the same last part, as advice."""
    last = name.rpartition(".")[2]
    near = [known for known in SETTINGS if known.rpartition(".")[2] == last]
    return f"; there is {near[0]}" if near else "; `traco node config` lists the names"
