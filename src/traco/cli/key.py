"""``traco key``: key stores and the keys in them, and keys that are elsewhere. Secrets never leave the file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from traco.cli.command import command, group
from traco.cli.names import check_name
from traco.cli.passphrases import NEW_VARIABLE, Passphrases
from traco.cli.problems import CommandProblem, ExitCode, unusable
from traco.cli.session import WithKeys, open_keys
from traco.client.keystore import KeyEntry, KeyStore
from traco.client.signers.command import TIMEOUT_SECONDS
from traco.client.signers.signer_file import MAX_TIMEOUT_SECONDS, SignerFile
from traco.kernel.crypto import Scheme

app = group("Keep signing keys in encrypted key stores.")

StoreName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Your name for the party whose keys these are.", show_default=False),
]
File = Annotated[
    Path | None, typer.Option("--keystore", help="The key store, where it is not the one of the name.")
]
KeyName = Annotated[str, typer.Option("--key", help="Name of the key.")]
SchemeName = Annotated[Literal["ed25519", "p256"], typer.Option(help="Signature scheme.")]
Roles = Annotated[
    list[str],
    typer.Option("--role", help="What the party uses the key for: sign, administer, read. Repeatable."),
]

ALL_ROLES = ["sign", "administer", "read"]
PUBLIC_SUFFIX = ".public.json"


def public_file(keystore: Path) -> Path:
    """Where the public keys of a key store are written, for whoever registers the party."""
    return keystore.with_name(keystore.stem + PUBLIC_SUFFIX)


@command(app, "create", examples=["traco key create seller", "traco key create bank-a --scheme p256"])
def create(
    session: WithKeys,
    name: StoreName,
    keystore: File = None,
    key: KeyName = "main",
    scheme: SchemeName = "ed25519",
    role: Roles = ALL_ROLES,
) -> None:
    """Make a key store with one key. Its public keys are written beside it, for traco party register."""
    path = keystore or session.names.key_store(name)
    if keystore is None and path.exists():
        raise CommandProblem(
            ExitCode.KEYS, "keystore.exists", f"{path} has the keys of {name} already; choose another name."
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with KeyStore.create(path, session.passphrases.new(path)) as store:
        store.generate(key, Scheme[scheme.upper()], role)
        _show(session, name, path, store)


@command(app, "add", examples=["traco key add seller --key second --role sign"])
def add(
    session: WithKeys,
    name: StoreName,
    key: Annotated[str, typer.Option("--key", help="Name of the new key.")],
    keystore: File = None,
    scheme: SchemeName = "ed25519",
    role: Roles = ALL_ROLES,
) -> None:
    """Add a key to a key store. On the ledger it counts once the party has registered it."""
    path = keystore or session.names.key_store(name)
    with KeyStore.open(path, session.passphrases.existing(path)) as store:
        store.generate(key, Scheme[scheme.upper()], role)
        _show(session, name, path, store)


@command(
    app, "keyring", examples=["traco key keyring bank-a", "traco key keyring bank-a --key second --role sign"]
)
def keyring(
    session: WithKeys,
    name: StoreName,
    key: KeyName = "main",
    scheme: SchemeName = "ed25519",
    role: Roles = ALL_ROLES,
) -> None:
    """Make a key that the operating system's keyring keeps, instead of a key store. There is no passphrase.

    From then on --as NAME signs with it. It is called traco in the keyring, NAME/KEY.
    """
    with _signer_file(session, name) as file:
        file.add_keyring(key, f"{check_name(name)}/{key}", Scheme[scheme.upper()], role)
        _show(session, name, session.names.signer_file(name), file)


@command(app, "command", examples=["traco key command bank-a -- bank-hsm --slot 3"])
def use_command(
    session: WithKeys,
    name: StoreName,
    program: Annotated[
        list[str],
        typer.Argument(metavar="PROGRAM...", help="The program and its arguments.", show_default=False),
    ],
    key: KeyName = "main",
    role: Roles = ALL_ROLES,
    seconds: Annotated[
        float, typer.Option(min=1, max=MAX_TIMEOUT_SECONDS, help="How long it may take to sign.")
    ] = TIMEOUT_SECONDS,
) -> None:
    """Sign with a key that a program keeps, such as one that asks a hardware module.

    From then on --as NAME signs by it. What it must understand is said in traco.client.signers.command. Never write a PIN or
    password among its arguments: every user of the machine can read them.
    """
    with _signer_file(session, name) as file:
        file.add_command(key, program, role, seconds)
        _show(session, name, session.names.signer_file(name), file)


def _signer_file(session: WithKeys, name: str) -> SignerFile:
    """The file of signers of a name, which may be new. Raises ``CommandProblem`` where a key store has the name."""
    path = session.names.signer_file(name)
    store = session.names.key_store(name)
    if store != path and store.exists():
        raise unusable(
            "keystore.exists", f"{store} has the keys of {name}; remove it, or choose another name."
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SignerFile.open(path, is_new=True)


@command(app, "list", examples=["traco key list seller"])
def list_keys(session: WithKeys, name: StoreName, keystore: File = None) -> None:
    """List the keys of a key store, without their secrets."""
    path = keystore or session.names.key_store(name)
    with open_keys(path, session.passphrases) as store:
        session.output.rows("keys", map(_form, store.keys()), ("name", "scheme", "roles", "public_key"))


@command(app, "export", examples=["traco key export seller --output seller.public.json"])
def export(
    session: WithKeys,
    name: StoreName,
    keystore: File = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.")
    ] = None,
) -> None:
    """Write the public keys as JSON, for the member that registers the party."""
    path = keystore or session.names.key_store(name)
    with open_keys(path, session.passphrases) as store:
        content = store.export_public()
    if output is None:
        session.output.document({"keys": msgspec.json.decode(content)}, content.decode())
    else:
        output.write_bytes(content)
        session.output.record({"file": str(output)})


@command(app, "change-passphrase", examples=["traco key change-passphrase seller"])
def change_passphrase(
    session: WithKeys,
    name: StoreName,
    keystore: File = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help=f"File (mode 0600) with the new one; else {NEW_VARIABLE}, else a prompt."),
    ] = None,
) -> None:
    """Encrypt a key store under another passphrase. Older copies of the file still open with the old one."""
    path = keystore or session.names.key_store(name)
    with KeyStore.open(path, session.passphrases.existing(path)) as store:
        store.change_passphrase(Passphrases(new_passphrase_file, NEW_VARIABLE).new(path))
    session.output.record({"keystore": str(path), "changed": True})


def _show(session: WithKeys, name: str, path: Path, store: KeyStore | SignerFile) -> None:
    public = public_file(path)
    public.write_bytes(store.export_public())
    entries = store.keys()
    session.output.record({
        "name": f"@{check_name(name)}", "keystore": str(path), "public_keys": str(public),
        "keys": [_form(key) for key in entries],
    })  # fmt: skip


def _form(key: KeyEntry) -> dict[str, Any]:
    return {
        "name": key.name, "scheme": key.scheme.name.lower(), "roles": list(key.roles),
        "public_key": key.public_key.hex(),
    }  # fmt: skip
