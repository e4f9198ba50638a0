"""The durable log of hits: what was answered is in here, once.

Text segments, one record a line with its checksum; a commit is one write and one fdatasync for
any number of records. One process writes (`Writer`), any number follow (`read`), each with a
`Cursor` of its own that it stores wherever its results go, in the same transaction.

Also beside it, because both sides of the collector use it: the store of attachments by digest.
This room leaves to others what a hit means (evidence) and what becomes of it (history).
"""

from __future__ import annotations

from .attachments import Attachments
from .codec import decode, encode, encode_beacon, prepare
from .layout import START, Cursor, is_journal, published_end, whole_segments
from .reader import Poison, read
from .replay import follow, replay
from .retention import expire
from .verify import Report, SegmentReport, verify
from .writer import Cut, Disk, Writer

__all__ = [
    "START",
    "Attachments",
    "Cursor",
    "Cut",
    "Disk",
    "Poison",
    "Report",
    "SegmentReport",
    "Writer",
    "decode",
    "encode",
    "encode_beacon",
    "expire",
    "follow",
    "is_journal",
    "prepare",
    "published_end",
    "read",
    "replay",
    "verify",
    "whole_segments",
]
