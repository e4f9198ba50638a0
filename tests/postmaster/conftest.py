"""The servers of postmaster_servers.py, as fixtures of this folder."""

from __future__ import annotations

from postmaster_servers import certificate, doctor, folder, nsd, postfix, rbldnsd, unbound

__all__ = ["certificate", "doctor", "folder", "nsd", "postfix", "rbldnsd", "unbound"]
