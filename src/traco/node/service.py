"""Running a node under systemd: the unit that ``traco node systemd`` prints, and telling the service manager that it is up."""

import os
import shlex
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from traco.engine.cometbft.install import DIRECTORY_VARIABLE

CREDENTIAL: Final = "passphrase"

_UNIT: Final = """\
# Save as /etc/systemd/system/traco-node.service, then: systemctl daemon-reload && systemctl enable --now traco-node
[Unit]
Description=Traco node in {directory}
Documentation=https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=main
User={user}
UMask=0077
{environment}LoadCredential={credential}:{passphrase_file}
ExecStart={command} node start {directory} --passphrase-file %d/{credential}
KillSignal=SIGTERM
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec=60
Restart=on-failure
RestartSec=5
LimitNOFILE=65536
LimitCORE=0

# What the node does not need, it does not get.
ReadWritePaths={directory}
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


class UnitInvalid(ValueError):
    """A value cannot stand in a unit file."""


def systemd_unit(
    directory: Path, passphrase_file: Path, user: str, command: Path | None = None, engine: Path | None = None
) -> str:  # fmt: skip
    """The unit for the node in ``directory``. Raises ``UnitInvalid`` for a path that a unit cannot name.

    ``engine``: the folder of the engine's program, for a node of a cluster; its user may have another data folder.
    """
    directory, passphrase_file = directory.resolve(), passphrase_file.resolve()
    command = command or Path(sys.executable).with_name("traco")
    paths = [directory, passphrase_file, command, *([] if engine is None else [engine.resolve()])]
    for value in (*map(str, paths), user):
        if not value.isprintable() or any(sign in value for sign in " \t\"'\\%$;:"):
            raise UnitInvalid(
                f"{shlex.quote(value)} has a character that a unit file cannot hold as it is; choose a plain path"
            )
    homes = ("/home", "/root", "/run/user")
    in_home = any(
        str(path).startswith(f"{home}/") for path in paths if path != passphrase_file for home in homes
    )
    environment = "" if engine is None else f"Environment={DIRECTORY_VARIABLE}={engine.resolve()}\n"
    return _UNIT.format(
        directory=directory, passphrase_file=passphrase_file, user=user, command=command, credential=CREDENTIAL,
        protect_home="no" if in_home else "yes", environment=environment,
    )  # fmt: skip


def name_process(name: str) -> None:
    """Let ``ps`` and ``top`` show what this process is (15 letters at most). Where the system cannot, nothing happens."""
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def tell_service_manager(state: str) -> None:
    """Send a state such as ``READY=1`` to the service manager that started this process, if one did. Raises ``OSError``."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifying:
        notifying.connect(address)
        notifying.sendall(state.encode())
