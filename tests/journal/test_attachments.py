"""The store of attachments by digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailglass.errors import StorageUnavailable
from mailglass.journal import Attachments


def test_a_content_comes_back_under_its_digest(tmp_path: Path) -> None:
    store = Attachments(tmp_path)
    digest = store.add(b"content")
    assert store.add(b"content") == digest == Attachments.digest(b"content")
    with store.open(digest) as file:
        assert file.read() == b"content"


@given(st.binary(), st.binary())
def test_a_digest_is_26_lower_case_letters_and_digits_of_its_content(a: bytes, b: bytes) -> None:
    digest = Attachments.digest(a)
    assert len(digest) == 26
    assert set(digest) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert (digest == Attachments.digest(b)) == (a == b)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 25, "A" * 26, "a" * 26, "." * 26])
def test_what_is_not_there_is_not_found(tmp_path: Path, digest: str) -> None:
    with pytest.raises(FileNotFoundError):
        Attachments(tmp_path).open(digest)


def test_a_removed_content_is_gone(tmp_path: Path) -> None:
    store = Attachments(tmp_path)
    digest = store.add(b"content")
    store.remove(digest)
    store.remove(digest)
    with pytest.raises(FileNotFoundError):
        store.open(digest)


def test_nothing_but_whole_files_is_left(tmp_path: Path) -> None:
    store = Attachments(tmp_path)
    names = {store.add(bytes([n]) * 1000) for n in range(20)}
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == names


def test_a_disk_that_refuses_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="could not be stored"):
        Attachments(tmp_path / "file").add(b"content")
