"""Tells the author of a message that it could not be delivered (RFC 3464, RFC 6522).

Whoever accepts a message must deliver it or report that they could not (RFC 5321 6.1); a report
about a report is never made, so the null return path ends every chain.
"""

from __future__ import annotations

import email.utils
from datetime import datetime
from email.message import Message as EmailMessage
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, compat32

from ..ids import Ids
from ..model import Delivery
from ..spool import Job, Submission
from .courier import Outcome

__all__ = ["failure_report"]

_HEADER_BYTES = 64 * 1024  # of the original's header that goes back


def failure_report(
    job: Job, outcome: Outcome, raw: bytes, *, ids: Ids, hostname: str, now: datetime
) -> Submission | None:
    """The report to the return path of a failed delivery, None when there is nobody to tell."""
    if not job.return_path:
        return None
    message_id = ids.next()
    report = _report(job, outcome, raw, f"{message_id}@{hostname}", hostname, now)
    return Submission(
        message_id=message_id,
        accepted_at=now,
        return_path="",
        raw=report.as_bytes(policy=compat32.clone(linesep="\r\n")),
        deliveries=(Delivery(id=ids.next(), message_id=message_id, recipient=job.return_path),),
        tracking={},
        facts={"report_about": job.delivery.id, "subject": report["Subject"]},
    )


def _report(
    job: Job, outcome: Outcome, raw: bytes, message_id: str, hostname: str, now: datetime
) -> EmailMessage:
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = f"Mail delivery <postmaster@{hostname}>"
    report["To"] = job.return_path
    report["Subject"] = "Your message could not be delivered"
    report["Date"] = email.utils.format_datetime(now)
    report["Message-ID"] = f"<{message_id}>"
    report["Auto-Submitted"] = "auto-replied"  # RFC 3834 5
    report.attach(MIMEText(_words(job, outcome), "plain", "utf-8"))
    report.attach(_status(job, outcome, hostname))
    header = MIMEText("", "rfc822-headers")
    header.replace_header("Content-Transfer-Encoding", "8bit")
    header.set_payload(_header_of(raw).decode("ascii", "surrogateescape"))
    report.attach(header)
    return report


def _words(job: Job, outcome: Outcome) -> str:
    answer = (
        f"The server answered: {outcome.reply.reply_code} {outcome.reply.reply_text}"
        if outcome.reply
        else f"No answer came: {outcome.problem}"
    )
    return (
        f"Your message to {job.delivery.recipient} could not be delivered.\n\n{answer}\n\n"
        "It will not be tried again. The header of your message is attached.\n"
    )


def _status(job: Job, outcome: Outcome, hostname: str) -> EmailMessage:
    """message/delivery-status: a block about the message, one about the recipient."""
    about_message = EmailMessage(policy=SMTP)
    about_message["Reporting-MTA"] = f"dns; {hostname}"
    about_message["Original-Envelope-Id"] = str(job.delivery.id)
    about_message["Arrival-Date"] = email.utils.format_datetime(job.accepted_at)
    about_recipient = EmailMessage(policy=SMTP)
    ascii_only = job.delivery.recipient.isascii()
    kind = "rfc822" if ascii_only else "utf-8"  # RFC 6533 3
    about_recipient["Final-Recipient"] = f"{kind}; {job.delivery.recipient}"
    about_recipient["Action"] = "failed"
    if outcome.reply:
        status = outcome.reply.enhanced_status or f"{outcome.reply.reply_code // 100}.0.0"
        about_recipient["Status"] = status
        about_recipient["Diagnostic-Code"] = (
            f"smtp; {outcome.reply.reply_code} {outcome.reply.reply_text}"
        )
    else:
        about_recipient["Status"] = "4.4.7"  # delivery time expired (RFC 3463 3.5)
    kind = "delivery-status" if ascii_only else "global-delivery-status"
    status_part = MIMEBase("message", kind)
    status_part.set_payload([about_message, about_recipient])
    return status_part


def _header_of(raw: bytes) -> bytes:
    """The header and its blank line, at most 64 kB of it."""
    end = raw.find(b"\r\n\r\n")
    return raw[: min(end if end >= 0 else len(raw), _HEADER_BYTES)] + b"\r\n"
