"""What commands that talk to a node have at hand: names, a client, and signers of the acting party."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, ClassVar

import msgspec
import typer

from traco.cli.command import HOME, JSON, Local, Shared
from traco.cli.files import write_file
from traco.cli.names import SIGNERS_SUFFIX, AddressBook, Entry, Kind, as_id, check_name
from traco.cli.passphrases import Passphrases
from traco.cli.people import People, Unit
from traco.cli.problems import CommandProblem, ExitCode, Problem, absent, unusable
from traco.cli.proving import access_of, proving_key
from traco.client.keystore import KeyEntry, KeyStore
from traco.client.results import AddressRefused, ChannelResult, OutcomeUnknown, TransactionResult
from traco.client.sdk import DEFAULT_URL, Access, LedgerClient, Party, Patience
from traco.client.signer import Signer
from traco.client.signers.signer_file import SignerFile
from traco.client.trust import Trust
from traco.kernel.identifiers import LEI_LENGTH
from traco.kernel.instruction import Instruction

ID_BYTES = 16
TRUST_FOLDER = "trust"
"""Below the home: what was verified of each network."""

_ID = re.compile(rf"\b[0-9a-f]{{{2 * ID_BYTES}}}\b")
PAUSES = (0.2, 1.0)
"""Waits in seconds before asking a node again: people do not like to wait long for an error."""

URL = Shared(
    "url",
    Annotated[
        str,
        typer.Option(
            "--url",
            envvar="TRACO_URL",
            help="Address of the node, or several with commas between; by default that of the network of your names.",
        ),
    ],
    "",
)
PASSPHRASE_FILE = Shared(
    "passphrase_file",
    Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            help="File (mode 0600) with the passphrase; else TRACO_PASSPHRASE, else a prompt.",
        ),
    ],
    None,
)
ACTING = Shared(
    "acting",
    Annotated[
        str,
        typer.Option(
            "--as",
            envvar="TRACO_PARTY",
            help="The acting party, or as whom to ask: a name, an id or an LEI.",
        ),
    ],
    "",
)
KEYSTORE = Shared(
    "keystore",
    Annotated[
        Path | None, typer.Option("--keystore", help="Its key store, where it is not the one of its name.")
    ],
    None,
)
KEY = Shared(
    "key",
    Annotated[
        list[str], typer.Option("--key", help="Sign with this key; repeat it where several must sign.")
    ],
    [],
)


CA_FILE = Shared(
    "ca_file",
    Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            envvar="TRACO_CA_FILE",
            help="Certificates of authorities to trust for https, not those of the system.",
        ),
    ],
    None,
)


VERIFY = Shared(
    "verify",
    Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            envvar="TRACO_VERIFY",
            help="Believe no gateway: outcomes by receipts, and what show commands print by proofs; or believe it. By default "
            "outcomes by receipts, where validators sign and the gateway is another machine.",
        ),
    ],
    None,
)


class WithNames(Local):
    """Has the address book of a home directory."""

    OPTIONS: ClassVar[tuple[Shared, ...]] = (HOME, JSON)

    def __init__(self, *, home: Path, json: bool) -> None:
        super().__init__(json=json)
        self.home = home.expanduser()
        self.names = AddressBook.open(self.home)
        self._units: dict[str, Unit | None] = {}

    def wording(self, problem: Problem) -> str:
        """The text with names for the ids that have one, and what its amounts are; programs get it as it is."""
        if self.output.as_json:
            return problem.detail
        named = _ID.sub(lambda found: self.names.name_of(found[0]) or found[0], problem.detail)
        return named + People(self.names.name_of, self.known_unit).counted_in(problem.code, problem.fields)

    def known_unit(self, instrument: str) -> Unit | None:
        """The unit of an instrument (id in hex) that this command came to know; no node is asked."""
        return self._units.get(instrument)


class WithKeys(WithNames):
    """Has names and passphrases, and no node."""

    OPTIONS: ClassVar[tuple[Shared, ...]] = (PASSPHRASE_FILE, HOME, JSON)

    def __init__(self, *, passphrase_file: Path | None, home: Path, json: bool) -> None:
        super().__init__(home=home, json=json)
        self.passphrases = Passphrases(passphrase_file)


class Reading(WithNames):
    """Asks a node."""

    OPTIONS: ClassVar[tuple[Shared, ...]] = (
        ACTING, KEYSTORE, KEY, PASSPHRASE_FILE, CA_FILE, URL, VERIFY, HOME, JSON
    )  # fmt: skip

    def __init__(
        self, *, acting: str, keystore: Path | None, key: list[str], passphrase_file: Path | None, ca_file: Path | None,
        url: str, verify: bool | None, home: Path, json: bool,
    ) -> None:  # fmt: skip
        super().__init__(home=home, json=json)
        self.proves = bool(verify)
        self._acting, self._keystore, self._keys = acting, keystore, key
        self.passphrases = Passphrases(passphrase_file)
        addresses = (url or self.names.url or DEFAULT_URL).split(",")
        try:
            self.client = LedgerClient(
                [each.strip() for each in addresses], self.names.network, access=self._access(), ca_file=ca_file,
                patience=Patience(PAUSES), verify=verify, trust=Trust(self.home / TRUST_FOLDER),
            )  # fmt: skip
        except AddressRefused as error:
            raise CommandProblem(ExitCode.INPUT, error.code, error.detail, error.fields) from None

    def shown(self, query: str, **fields: Any) -> Any:
        """The answer of a query, proven where the user wants that."""
        return self.client.query(query, verify=self.proves, **fields)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def identity(self, text: str, kind: Kind) -> bytes:
        """The id that a text means: an id in hex, a name, or for a party an LEI. Raises ``CommandProblem``."""
        if not text.startswith("@"):
            found = as_id(text, ID_BYTES)
            if found is not None:
                return found
            if kind == "party" and len(text) == LEI_LENGTH and text.isupper():
                return self._party_by_lei(text)
        return bytes.fromhex(self.names.require(text, kind).id)

    def _access(self) -> Access | None:
        """The access of ``--as``, used where the node wants a token. An LEI says nothing yet: the ledger knows whose it is."""
        named = self.names.find(self._acting)
        party = as_id(named.id if named else self._acting, ID_BYTES)
        return None if party is None else access_of(party, partial(self._proving_signer, party))

    def _proving_signer(self, party: bytes) -> Signer:
        path, wanted = self._where_keys_are(self._acting, party, self._keystore, self._keys)
        with open_keys(path, self.passphrases) as store:
            name = proving_key(store.keys(), tuple(wanted))
            if name is None:
                raise CommandProblem(
                    ExitCode.KEYS, "keystore.no_key", f"No key in {path} has the role 'sign'; add one."
                )
            return store.signer(name)

    def _where_keys_are(
        self, text: str, identity: bytes, keystore: Path | None, keys: Sequence[str]
    ) -> tuple[Path, Sequence[str]]:
        """The key store of a party, and which of its keys to sign with; none: the only one."""
        name = text if self.names.find(text) else self.names.name_of(identity.hex())
        entry = self.names.find(name) if name else None
        path = keystore or (self.names.key_store(name) if name else None)
        if path is None:
            raise unusable(
                "keystore.not_named", f"No key store is known for {text}; say which: --keystore FILE"
            )
        return path, keys or (entry.keys if entry else ())

    def party(self, text: str) -> bytes:
        """The id of a party given by name, id or LEI."""
        return self.identity(text, "party")

    def _party_by_lei(self, lei: str) -> bytes:
        view = self.client.query("party.by_lei", lei=lei)
        if view is None:
            raise absent("party.not_found", f"No active party has the LEI {lei}.")
        return bytes.fromhex(view["id"])

    def require(self, answer: Any, what: str, text: str) -> Any:
        """The answer of a query. Raises ``CommandProblem`` (``<what>.not_found``) where it is nothing."""
        if answer is None:
            raise absent(f"{what}.not_found", f"The ledger has no {what} {text}.")
        return answer

    def named(self, identity: str) -> str:
        """An id in hex as people read it: the name where there is one."""
        return self.names.name_of(identity) or identity

    def people(self, value: Any, counted_in: str = "") -> Any:
        """A record as people read it. ``counted_in``: the instrument (id in hex) where the record names none."""
        return People(self.names.name_of, self._unit_of).read(
            value, self._unit_of(counted_in) if counted_in else None
        )

    def show_result(
        self, result: TransactionResult | ChannelResult, counted_in: str = "", **made: Any
    ) -> None:
        """Show what became of a transaction of the root or of a channel. Ids in ``made`` may be bytes; ``counted_in`` as in ``people``."""
        shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in made.items()}
        form = result.form()
        if self.output.as_json:
            self.output.record({**shown, "transaction": form.pop("id"), **form})
            return
        self.output.record({
            **{name: self._made(name, value, counted_in) for name, value in shown.items()}, "transaction": result.identity.hex(),
            "status": result.status, **{name: form[name] for name in ("height", "ordinal") if name in form},
            "events": [_brief(self.people(event, counted_in)) for event in result.events],
        })  # fmt: skip

    def _made(self, name: str, value: Any, counted_in: str) -> Any:
        """What a command made: its amounts as people read them, its ids as they are, to be copied."""
        return value if isinstance(value, str) else self.people({name: value}, counted_in)[name]

    def _unit_of(self, text: str) -> Unit | None:
        """The unit of an instrument (id in hex), asked once; None for anything else."""
        if text not in self._units:
            self._units[text] = self._ask_unit(text)
        return self._units[text]

    def learn_unit(self, instrument: bytes, record: Mapping[str, Any]) -> None:
        """Keep the unit of an instrument whose record was read."""
        self._units[instrument.hex()] = Unit(record["decimals"], record["code"])

    def _ask_unit(self, text: str) -> Unit | None:
        identity = as_id(text, ID_BYTES)
        if identity is None:
            return None
        record = self.client.query("holding.instrument", instrument=identity)
        return None if record is None else Unit(record["decimals"], record["code"])

    def free_name(self, name: str) -> str:
        """The name without ``@``, for something about to be made. Raises ``CommandProblem`` where it is taken."""
        plain = check_name(name)
        known = self.names.find(plain)
        if known is not None:
            raise unusable("name.taken", f"@{plain} stands for {known.kind} {known.id}; choose another name.")
        return plain

    def remember(self, name: str | None, kind: Kind, identity: bytes, keystore: str = "") -> None:
        """Store a name for something that was just made, if one is wanted."""
        if name:
            self.names.add(name, Entry(kind, identity.hex(), keystore), self.client.network)


class Acting(Reading):
    """Acts for a party with its keys."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OutcomeUnknown):
            path = self.home / "unsent" / f"{error.identity.hex()}.tx"
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, error.transaction)
            self.close()
            raise CommandProblem(
                ExitCode.NODE, error.code, f"{error.detail} They are kept: traco tx submit {path}",
                {**error.fields, "file": str(path)},
            ) from error  # fmt: skip
        super().__exit__(kind, error, trace)

    def actor(self, role: str = "sign") -> Party:
        """The party of ``--as`` with the signers for a role. Raises ``CommandProblem``, ``KeyStoreError``."""
        if not self._acting:
            raise CommandProblem(
                ExitCode.USAGE, "usage.no_party", "Say who acts: --as PARTY, or set TRACO_PARTY."
            )
        return self.party_with_keys(self._acting, role, self._keystore, self._keys)

    def party_with_keys(
        self, text: str, role: str = "sign", keystore: Path | None = None, keys: Sequence[str] = ()
    ) -> Party:
        """A party with the signers of its key store."""
        identity = self.party(text)
        path, wanted = self._where_keys_are(text, identity, keystore, keys)
        return self.client.party(identity, *self._signers(path, role, wanted))

    def _signers(self, path: Path, role: str, wanted: Sequence[str]) -> list[Signer]:
        with open_keys(path, self.passphrases) as store:
            names = list(wanted) or [_only(store.keys(), role, path)]
            return [store.signer(name) for name in names]

    def transact(
        self, *instructions: Instruction, role: str = "sign", others: Sequence[Party] = (), **made: Any
    ) -> TransactionResult:
        """Have instructions of the acting party executed; show the outcome with what was ``made`` (ids, names)."""
        result = self.actor(role).transact(*instructions, others=others)
        self.show_result(result, **made)
        return result


def open_keys(path: Path, passphrases: Passphrases) -> KeyStore | SignerFile:
    """The keys at a path: of a key store, or those that a file of signers names, which needs no passphrase."""
    if path.suffix == SIGNERS_SUFFIX:
        return SignerFile.open(path)
    return KeyStore.open(path, passphrases.existing(path))


def _only(keys: Sequence[KeyEntry], role: str, path: Path) -> str:
    """The one key with a role. Signatures that are not needed are refused, so several need a choice."""
    fitting = [key.name for key in keys if role in key.roles]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise CommandProblem(
            ExitCode.KEYS, "keystore.no_key", f"No key in {path} has the role {role!r}; add one."
        )
    raise CommandProblem(
        ExitCode.KEYS,
        "keystore.choose_key",
        f"{path} has several keys; choose with --key: {', '.join(fitting)}",
    )


def _brief(event: dict[str, Any]) -> str:
    """An event in one line."""
    shown = {name: value for name, value in event.items() if name != "type" and value not in ("", None)}
    fields = (
        f"{name} {value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
        for name, value in shown.items()
    )
    return f"{event['type']}: {', '.join(fields)}"
