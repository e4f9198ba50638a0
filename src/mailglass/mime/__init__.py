"""Bytes in, bytes out: walk a message, read its HTML by offsets, splice edits into it.

Nothing here re-serialises a message.  Used by the sender's side, which adds to a message, and by
the guard, which takes away from it.
"""

from .charsets import Charset, find_charset
from .content import (
    ROOM,
    Change,
    Content,
    NotEditable,
    Pieces,
    Room,
    Run,
    decoded_body,
    header_content,
    read_content,
)
from .fields import Field, parse_parameters
from .fillings import Filling, Hole, Patch
from .html import (
    Attribute,
    Shortcut,
    Token,
    TokenKind,
    conditional_content,
    tokenize,
    tokenize_around,
    unescape_attribute,
)
from .loose import coding_names
from .readings import body_readings, read_all, written_anew
from .shown import Standing, standings
from .splice import Edit, pieces, splice
from .transfer import encode_quoted
from .walk import MAX_DEPTH, Message, Part, walk

__all__ = [
    "MAX_DEPTH",
    "ROOM",
    "Attribute",
    "Change",
    "Charset",
    "Content",
    "Edit",
    "Field",
    "Filling",
    "Hole",
    "Message",
    "NotEditable",
    "Part",
    "Patch",
    "Pieces",
    "Room",
    "Run",
    "Shortcut",
    "Standing",
    "Token",
    "TokenKind",
    "body_readings",
    "coding_names",
    "conditional_content",
    "decoded_body",
    "encode_quoted",
    "find_charset",
    "header_content",
    "parse_parameters",
    "pieces",
    "read_all",
    "read_content",
    "splice",
    "standings",
    "tokenize",
    "tokenize_around",
    "unescape_attribute",
    "walk",
    "written_anew",
]
