"""The tree of errors, branched by what the caller does next.

    Error
    ├── ConfigurationError      fix the settings, then start again
    ├── InputError              correct what was handed in
    │   ├── NotAMessage         the bytes are no mail message
    │   ├── NoInput             what was named is not there, or cannot be read
    │   ├── BadToken            the name of a target is malformed or forged
    │   └── PlanMismatch        a plan of edits does not belong to these bytes
    ├── RetryLater              nothing is wrong with the input; try again
    │   └── StorageUnavailable  a log, spool or database cannot be written now
    ├── RecipientRefused        give up on this recipient, go on with the others
    └── CorruptRecord           a stored record does not match its checksum

Every error has a stable `id`, which has an entry in docs/reference/errors.md and is what the API,
the logs and the tests speak of; the text of a message may change, its id may not.
Rooms that need a narrower error derive it from a branch above, so that a caller's `except` holds.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadToken",
    "ConfigurationError",
    "CorruptRecord",
    "Error",
    "InputError",
    "NoInput",
    "NotAMessage",
    "PlanMismatch",
    "RecipientRefused",
    "RetryLater",
    "StorageUnavailable",
]


class Error(Exception):
    """Anything that Mailglass raises on purpose."""

    id: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 70  # EX_SOFTWARE of sysexits.h


class ConfigurationError(Error):
    """The settings cannot work as they are; the message names every fault found, one a line."""

    id = "configuration"
    exit_status = 78  # EX_CONFIG


class InputError(Error):
    """What was handed in cannot be used; the message carries the value that caused it."""

    id = "input"
    exit_status = 65  # EX_DATAERR


class NotAMessage(InputError):
    """The bytes are not a mail message (RFC 5322): no header field was found."""

    id = "not-a-message"


class NoInput(InputError):
    """A file that was named, or standard input, cannot be read."""

    id = "no-input"
    exit_status = 66  # EX_NOINPUT


class BadToken(InputError):
    """A token has the wrong shape, an unknown version, or a tag that no key of ours made."""

    id = "bad-token"


class PlanMismatch(InputError):
    """A plan of edits was applied to, or taken back from, bytes that it was not made for."""

    id = "plan-mismatch"


class RetryLater(Error):
    """A passing fault; the same call may succeed later."""

    id = "retry-later"
    exit_status = 75  # EX_TEMPFAIL


class StorageUnavailable(RetryLater):
    """A log, spool or database cannot be used now: full disk, failing sync, no server."""

    id = "storage-unavailable"


class RecipientRefused(Error):
    """The receiving server refused this recipient for good."""

    id = "recipient-refused"
    exit_status = 69  # EX_UNAVAILABLE


class CorruptRecord(Error):
    """A stored record does not match its checksum; it is set aside and counted, not guessed at."""

    id = "corrupt-record"
