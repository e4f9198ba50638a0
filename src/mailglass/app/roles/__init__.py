"""The roles, a file each: `run` takes values out of the settings and hands them to the parts.

A role's file is imported in its own process alone, so that the collector loads no database and no
templates. A role that listens says where in `ports`: a taken port is refused by its setting.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module

from ...settings import Settings
from ..first_run import prepare
from .process import check_ports, end_with_parent, only_one

__all__ = ["run_role"]


def run_role(role: str, settings: Settings) -> None:
    """Run one role until SIGTERM.

    Raises ConfigurationError when another process has the role on this data directory, or a port.
    """
    end_with_parent()
    os.umask(0o077)  # addresses and mail are for their owner alone
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the roles that can reload say otherwise
    prepare(settings)
    with only_one(settings.data_directory / f"{role}.lock", role):
        wiring = import_module(f".{role.replace('-', '_')}", __package__)
        if hasattr(wiring, "ports"):
            check_ports(wiring.ports(settings))
        wiring.run(settings)
