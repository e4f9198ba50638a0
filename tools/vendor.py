"""Brings the browser's libraries from npm into the package, or checks that they are what they were.

`python tools/vendor.py` packs the pinned versions with npm and writes the files that the pages use;
`--check` compares the files with the digests below, without a network. A build takes what lies in
the folder, so that nobody needs npm to install Mailglass.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src/mailglass/web/static/vendor"

# package and version; file in it; name here; SHA-256
PINNED = (
    (
        "htmx.org@4.0.1",
        "dist/htmx.min.js",
        "htmx.min.js",
        "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    ),
    (
        "htmx.org@4.0.1",
        "dist/ext/hx-sse.min.js",
        "hx-sse.min.js",
        "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
    ),
    (
        "htmx.org@4.0.1",
        "LICENSE",
        "htmx.LICENSE",
        "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    ),
    (
        "charts.css@1.2.0",
        "dist/charts.min.css",
        "charts.min.css",
        "edd9756a53c171ead90291cbfa24dfcdde44ec850f1eacd6bcfb8e40e9ebfe12",
    ),
    (
        "charts.css@1.2.0",
        "LICENSE",
        "charts.LICENSE",
        "9fb5b4c3525591873b594a923ebe0e85f54715b6880d5fb5230a1b1d719f5521",
    ),
)


def _packed(package: str) -> tarfile.TarFile:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
        content = next(Path(folder).glob("*.tgz")).read_bytes()
    return tarfile.open(fileobj=io.BytesIO(content))


def faults() -> list[str]:
    """What of the folder is not as pinned."""
    found = []
    for _, _, name, digest in PINNED:
        file = FOLDER / name
        if not file.is_file():
            found.append(f"{name} is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            found.append(f"{name} is not what was pinned")
    return found


def bring() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for package in dict.fromkeys(row[0] for row in PINNED):
        with _packed(package) as archive:
            for _, path, name, _ in (row for row in PINNED if row[0] == package):
                member = archive.extractfile(f"package/{path}")
                assert member is not None, f"{package} has no {path}"
                (FOLDER / name).write_bytes(member.read())


if __name__ == "__main__":
    if "--check" not in sys.argv:
        bring()
    wrong = faults()
    print("\n".join(wrong) or f"{len(PINNED)} files are as pinned")
    sys.exit(bool(wrong))
