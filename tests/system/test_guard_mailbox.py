"""The agent cleans a folder of a real Dovecot, loses nothing wherever it breaks off, and undoes."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imapclient import IMAPClient
from mailhost import MailHost, mail_host

from mailglass.errors import ConfigurationError, RetryLater
from mailglass.gateway.cleaning import Cleaner, CleaningConfig
from mailglass.gateway.guard_mailbox import Account, GuardedFolder
from mailglass.guard import Clean, clean

pytestmark = pytest.mark.servers

BEACON = b"https://shop.example/open.php?m=k30OPLTmG6zi5UytN22DhSZubSc"
THEN = datetime(2024, 2, 29, 12, 30, 45, tzinfo=timezone(timedelta(hours=5, minutes=30)))
FLAGS = (b"\\Seen", b"\\Flagged", b"$Label1")


def tracked(number: int) -> bytes:
    return (
        b"From: News <news@shop.example>\r\nTo: bob@reader.test\r\nSubject: News\r\n"
        b"Message-ID: <%d@shop.example>\r\nContent-Type: text/html\r\n\r\n<p>hello</p>"
        b"<img src='%s%d' width=1 height=1>\r\n" % (number, BEACON, number)
    )


PLAIN = b"From: a@friend.example\r\nMessage-ID: <p@friend.example>\r\n\r\nAt one?\r\n"


def cleaned(raw: bytes, fields: tuple[str, ...] = ()) -> Clean | None:
    done = clean(raw, original_fields=fields)
    return done if done.is_changed else None


@dataclass
class Folders:
    """What lies in a mailbox, by Message-ID."""

    account: Account
    place: Path

    def files(self, folder: str) -> list[bytes]:
        """The messages as they lie in the Maildir, which Dovecot keeps without CR."""
        maildir = self.place / "mail" / self.account.user
        maildir = maildir if folder == "INBOX" else maildir / f".{folder}"
        found = [file for part in ("cur", "new") for file in (maildir / part).glob("*")]
        return sorted(file.read_bytes().replace(b"\n", b"\r\n") for file in found)

    def put(self, *mails: bytes, flags: tuple[bytes, ...] = FLAGS) -> None:
        with self.opened() as imap:
            for mail in mails:
                imap.append(self.account.folder, mail, flags, THEN)

    @contextmanager
    def opened(self, folder: str | None = None) -> Iterator[IMAPClient]:
        imap = IMAPClient(self.account.host, self.account.port, ssl=False)
        imap.normalise_times = False
        imap.login(self.account.user, self.account.password)
        try:
            if folder is not None:
                imap.select_folder(folder)
            yield imap
        finally:
            imap.logout()

    def of(self, folder: str) -> list[dict[bytes, object]]:
        with self.opened() as imap:
            if not imap.folder_exists(folder):
                return []
            imap.select_folder(folder, readonly=True)
            wanted = ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"]
            return [one for _, one in sorted(imap.fetch(imap.search(), wanted).items())]

    def raws(self, folder: str) -> list[bytes]:
        return [bytes(one[b"BODY[]"]) for one in self.of(folder)]  # type: ignore[call-overload]


@pytest.fixture(scope="module", params=["MOVE", "without MOVE"])
def server(request: pytest.FixtureRequest) -> Iterator[MailHost]:
    ports = free_ports(3)
    # One wrong password must not make the next log-in wait.
    quick = (
        "auth_failure_delay = 0\n"
        "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
    )
    plain = "protocol imap {\n  imap_capability = IMAP4rev1 UIDPLUS IDLE NAMESPACE ID\n}\n"
    with mail_host(
        ports, postfix=None, dovecot=quick if request.param == "MOVE" else quick + plain
    ) as host:
        host.imap_port = ports[2]
        yield host


users = iter(f"user{n}@reader.test" for n in range(10_000))


@pytest.fixture
def folders(server: MailHost) -> Folders:
    account = Account(
        host="127.0.0.1",
        port=server.imap_port,
        security="none",
        user=next(users),
        password="secret",
    )
    return Folders(account, server.place)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def test_a_clean_copy_takes_the_place_of_the_original_which_is_kept(folders: Folders) -> None:
    folders.put(tracked(1), PLAIN, tracked(2))
    done = GuardedFolder(folders.account, cleaned).clean_once()
    assert (done.seen, done.changed, done.failed) == (3, 2, 0)
    inbox = folders.raws("INBOX")
    assert inbox[0] == PLAIN
    assert len(inbox) == 3
    assert not any(BEACON in raw for raw in inbox)
    assert folders.raws("Originals") == [tracked(1), tracked(2)]


def test_flags_and_date_go_with_both(folders: Folders) -> None:
    folders.put(tracked(1))
    GuardedFolder(folders.account, cleaned).clean_once()
    for folder in ("INBOX", "Originals"):
        (one,) = folders.of(folder)
        assert one[b"INTERNALDATE"] == THEN
        assert set(one[b"FLAGS"]) - {b"\\Recent"} == set(FLAGS)  # type: ignore[call-overload]


def test_cleaning_again_changes_nothing(folders: Folders) -> None:
    folders.put(tracked(1), PLAIN)
    GuardedFolder(folders.account, cleaned).clean_once()
    before = folders.raws("INBOX"), folders.raws("Originals")
    assert GuardedFolder(folders.account, cleaned).clean_once().changed == 0
    assert (folders.raws("INBOX"), folders.raws("Originals")) == before


def test_originals_are_put_back_with_what_the_reader_did_meanwhile(folders: Folders) -> None:
    folders.put(tracked(1), tracked(2), PLAIN, flags=())
    agent = GuardedFolder(folders.account, cleaned)
    agent.clean_once()
    with folders.opened("INBOX") as imap:
        (uid,) = imap.search(["HEADER", "Message-ID", "<2@shop.example>"])
        imap.add_flags([uid], [b"\\Answered"])
    assert agent.put_back("<2@shop.example>").changed == 1
    assert [r for r in folders.raws("INBOX") if BEACON in r] == [tracked(2)]
    assert folders.raws("Originals") == [tracked(1)]
    back = folders.of("INBOX")[-1]
    assert back[b"INTERNALDATE"] == THEN
    assert {b"\\Answered", b"MailglassKeep"} <= set(back[b"FLAGS"])  # type: ignore[call-overload]

    assert agent.put_back().changed == 1
    assert sorted(folders.raws("INBOX")) == sorted([tracked(1), tracked(2), PLAIN])
    assert folders.raws("Originals") == []
    assert GuardedFolder(folders.account, cleaned).clean_once().changed == 0, "they are kept"


def flags_of(folders: Folders, folder: str) -> list[set[bytes]]:
    ours = {b"\\Recent", b"MailglassKeep", b"MailglassMoving"}
    return [set(one[b"FLAGS"]) - ours for one in folders.of(folder)]  # type: ignore[call-overload]


def test_messages_of_the_same_bytes_are_as_many_as_before(folders: Folders) -> None:
    """Eleven, since 1 is the beginning of 10 and 11."""
    each = [{b"\\Flagged"}, *[set[bytes]() for _ in range(9)], {b"\\Seen"}]
    for flags in each:
        folders.put(tracked(1), flags=tuple(flags))
    agent = GuardedFolder(folders.account, cleaned)
    assert agent.clean_once().changed == 11
    assert flags_of(folders, "INBOX") == each
    assert not any(BEACON in raw for raw in folders.raws("INBOX"))
    assert folders.raws("Originals") == [tracked(1)] * 11
    assert agent.put_back().changed == 11
    assert folders.raws("INBOX") == [tracked(1)] * 11
    assert flags_of(folders, "INBOX") == each
    assert folders.raws("Originals") == []


def test_an_original_that_is_gone_is_not_replaced_by_its_twin(folders: Folders) -> None:
    folders.put(tracked(1), tracked(1))
    agent = GuardedFolder(folders.account, cleaned)
    agent.clean_once()
    with folders.opened("Originals") as imap:
        imap.delete_messages(imap.search()[:1])
        imap.expunge()
    done = agent.put_back()
    assert (done.changed, done.failed) == (1, 1)
    assert len(folders.raws("INBOX")) == 2


def test_a_message_that_the_reader_deletes_meanwhile_does_not_come_back(folders: Folders) -> None:
    folders.put(tracked(1))

    def slow(raw: bytes, fields: tuple[str, ...]) -> Clean | None:
        with folders.opened("INBOX") as imap:
            imap.delete_messages(imap.search())
            imap.expunge()
        return cleaned(raw, fields)

    GuardedFolder(folders.account, slow).clean_once()
    assert folders.raws("INBOX") == []


def test_another_message_that_is_marked_as_deleted_stays(folders: Folders) -> None:
    folders.put(PLAIN, flags=(b"\\Deleted",))
    folders.put(tracked(1))
    GuardedFolder(folders.account, cleaned).clean_once()
    assert PLAIN in folders.raws("INBOX")


CHANGING = re.compile(
    rb"^([A-Z]+\d+) (?:UID )?(?:CREATE|SUBSCRIBE|APPEND|COPY|MOVE|STORE|EXPUNGE)\b", re.MULTILINE
)


class Cutter:
    """Between a client and the server; the server does what it is told, until it has changed
    something so many times: then the answer is lost, and the connection.
    """

    def __init__(self, server: int, after: int) -> None:
        self._server, self._after = server, after
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.has_cut = False
        self._changing: set[bytes] = set()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listening.accept()
        server = socket.create_connection(("127.0.0.1", self._server))
        up = threading.Thread(target=self._pump, args=(client, server))
        up.start()
        with server.makefile("rb") as answers, suppress(OSError):
            for line in answers:
                self._after -= line.partition(b" ")[0] in self._changing
                if self._after < 0:
                    self.has_cut = True
                    break
                client.sendall(line)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        up.join()
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._changing.update(CHANGING.findall(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listening.close()


def cut_after(folders: Folders, changes: int, *, put_back: bool = False) -> bool:
    """Let the agent work through a connection that is lost after so many changes."""
    with Cutter(folders.account.port, changes) as cutter:
        agent = GuardedFolder(replace(folders.account, port=cutter.port), cleaned)
        with suppress(RetryLater):
            if put_back:
                agent.put_back()
            else:
                agent.clean_once()
    return cutter.has_cut


# A message with a twin, at every place, takes a minute.
each_and_twins = pytest.mark.parametrize(
    "mails",
    [[tracked(1), PLAIN], pytest.param([tracked(1), PLAIN, tracked(1)], marks=pytest.mark.soak)],
    ids=["alone", "twins"],
)


@each_and_twins
def test_wherever_it_breaks_off_nothing_is_lost_or_doubled(
    folders: Folders, mails: list[bytes]
) -> None:
    for changes in itertools.count():
        account = replace(folders.account, user=next(users))
        here = Folders(account, folders.place)
        here.put(*mails)
        has_cut = cut_after(here, changes)
        everywhere = here.files("INBOX") + here.files("Originals")
        assert not Counter(mails) - Counter(everywhere), f"after {changes} changes"
        GuardedFolder(account, cleaned).clean_once()
        originals = [mail for mail in mails if mail != PLAIN]
        assert here.files("Originals") == originals, f"after {changes} changes"
        inbox = here.files("INBOX")
        assert len(inbox) == len(mails), f"after {changes} changes"
        assert not any(BEACON in raw for raw in inbox)
        if not has_cut:
            assert changes > 2
            break


@each_and_twins
def test_wherever_putting_back_breaks_off_nothing_is_lost_or_doubled(
    folders: Folders, mails: list[bytes]
) -> None:
    for changes in itertools.count(2):  # the folder is there
        account = replace(folders.account, user=next(users))
        here = Folders(account, folders.place)
        here.put(*mails)
        GuardedFolder(account, cleaned).clean_once()
        has_cut = cut_after(here, changes, put_back=True)
        everywhere = here.files("INBOX") + here.files("Originals")
        assert not Counter(mails) - Counter(everywhere), f"after {changes} changes"
        GuardedFolder(account, cleaned).put_back()
        assert here.files("INBOX") == sorted(mails), f"after {changes} changes"
        assert here.files("Originals") == []
        if not has_cut:
            assert changes > 2
            break


def test_what_comes_is_cleaned_while_it_follows(folders: Folders) -> None:
    folders.put(PLAIN)
    stopping = threading.Event()
    has_begun = threading.Event()
    looked_at: list[bytes] = []

    def watched(raw: bytes, fields: tuple[str, ...]) -> Clean | None:
        looked_at.append(raw)
        has_begun.set()
        if len(looked_at) == 3:  # the plain one, what came, and its clean copy
            stopping.set()
        return cleaned(raw, fields)

    agent = GuardedFolder(folders.account, watched)
    follower = threading.Thread(target=agent.follow, args=(stopping,))
    follower.start()
    assert has_begun.wait(timeout=60)
    folders.put(tracked(7))
    follower.join(timeout=90)
    assert not follower.is_alive()
    assert folders.raws("Originals") == [tracked(7)]


def test_a_wrong_password_is_a_fault_of_the_settings(folders: Folders) -> None:
    agent = GuardedFolder(replace(folders.account, password="wrong"), cleaned)
    with pytest.raises(ConfigurationError, match="refuses the user"):
        agent.clean_once()


def test_a_server_that_is_away_is_tried_again(folders: Folders) -> None:
    (port,) = free_ports(1)
    with pytest.raises(RetryLater, match="cannot be reached"):
        GuardedFolder(replace(folders.account, port=port), cleaned).clean_once()


def test_the_folder_of_originals_is_not_the_one_that_is_cleaned(folders: Folders) -> None:
    agent = GuardedFolder(replace(folders.account, originals="INBOX"), cleaned)
    with pytest.raises(ConfigurationError, match="folder of originals"):
        agent.clean_once()


def test_with_results_of_the_border_in_it_a_clean_copy_is_clean(folders: Folders) -> None:
    field = b"Authentication-Results: mx.reader.test; dkim=pass header.d=shop.example\r\n"
    folders.put(field + tracked(1), field + PLAIN)
    config = CleaningConfig(authserv_id="mx.reader.test", is_border=False)
    cleaner = Cleaner(config, find_txt=lambda _: None)

    def checked(raw: bytes, fields: tuple[str, ...]) -> Clean | None:
        return asyncio.run(cleaner.clean(raw, (), fields))

    assert GuardedFolder(folders.account, checked).clean_once().changed == 1
    assert GuardedFolder(folders.account, checked).clean_once().changed == 0
    assert folders.raws("Originals") == [field + tracked(1)]
