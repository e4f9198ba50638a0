"""All rules on one message, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...lookup import FilterScore, Resolver
from ...model import Finding
from .authentication import Envelope, check_authentication
from .content import check_content
from .filters import check_scores
from .forecast import Forecast, forecasts
from .form import check_form
from .marketing import check_marketing
from .reading import read_message

__all__ = ["LintReport", "lint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found, and what the providers will probably say."""

    is_marketing: bool
    findings: tuple[Finding, ...]
    forecasts: tuple[Forecast, ...]


async def lint(
    raw: bytes,
    *,
    resolver: Resolver | None = None,
    is_marketing: bool | None = None,
    return_path: str | None = None,
    ip: str | None = None,
    scores: Sequence[FilterScore] = (),
) -> LintReport:
    """Check one message as it leaves.

    Without `resolver` what needs the DNS is unknown; without `is_marketing` a message counts as
    marketing when its header says that it is bulk mail. Raises NotAMessage.
    """
    reading = read_message(raw)
    marketing = reading.is_bulk if is_marketing is None else is_marketing
    envelope = Envelope(return_path=return_path, ip=ip)
    findings = (
        *check_form(reading),
        *await check_authentication(reading, envelope, resolver),
        *check_marketing(reading, is_marketing=marketing),
        *check_content(reading),
        *check_scores(scores),
    )
    return LintReport(
        is_marketing=marketing,
        findings=findings,
        forecasts=forecasts(findings, is_bulk=marketing),
    )
