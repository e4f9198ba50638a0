"""What the messages of one mailbox say together.

The same host and shape of URL in several messages, once in each and with another token every time,
is a URL made for one message, whether its picture can be seen or not. A logo comes back with the
same URL; a shop's product pictures come several to a message.
"""

from __future__ import annotations

from collections.abc import Iterable

from .shape import shape_of, skeleton_of

__all__ = ["Mailbox"]

# Shapes remembered: at about 200 bytes each, 20 MB for a mailbox of any size.
_MAX_SHAPES = 100_000


class Mailbox:
    """The shapes of URLs seen in the messages of one mailbox."""

    def __init__(self) -> None:
        self._seen: dict[str, set[int] | None] = {}
        self._messages = 0

    def add(self, urls: Iterable[str]) -> None:
        """Take in the resources of one more message."""
        self._messages += 1
        here: dict[str, set[str]] = {}
        for url in urls:
            shape = shape_of(url)
            if shape.tokens or shape.has_number:
                here.setdefault(skeleton_of(url), set()).add(url)
        for skeleton, several in here.items():
            self._note(skeleton, several)

    def _note(self, skeleton: str, urls: set[str]) -> None:
        known = self._seen.get(skeleton, set())
        if known is None:
            return
        marks = {hash(url) for url in urls}
        if len(urls) > 1 or known & marks:
            self._seen[skeleton] = None  # several to a message, or one that came back
        elif skeleton in self._seen or len(self._seen) < _MAX_SHAPES:
            self._seen[skeleton] = known | marks

    def repeats(self, url: str) -> int:
        """In how many messages this shape came exactly once and never with the same token."""
        if self._messages < 2:
            return 0
        marks = self._seen.get(skeleton_of(url))
        return len(marks) if marks else 0
