"""Whether a domain is in the hands of the account that names it."""

from __future__ import annotations

from ..errors import RetryLater
from ..history import Domain, DomainKind
from ..lookup import Answer, Resolver

__all__ = ["challenge_record", "is_controlled"]


async def is_controlled(resolver: Resolver, found: Domain, tracking_host: str) -> bool:
    """A sending domain holds its challenge, a tracking domain leads to the collector.

    Raises RetryLater when the DNS does not answer.
    """
    if found.kind is DomainKind.SENDING:
        return await _holds_challenge(resolver, found)
    return await _leads_to(resolver, found.name, tracking_host)


async def _holds_challenge(resolver: Resolver, found: Domain) -> bool:
    name, text = challenge_record(found)
    assert name is not None
    answer = _known(await resolver.ask(name, "TXT"))
    return any(record.strip('"') == text for record in answer.records)


async def _leads_to(resolver: Resolver, name: str, host: str) -> bool:
    """Whether a name has an address of the collector's."""
    ours = await _addresses(resolver, host)
    return bool(ours & await _addresses(resolver, name))


async def _addresses(resolver: Resolver, name: str) -> set[str]:
    answers = [await resolver.ask(name, kind) for kind in ("A", "AAAA")]
    return {record for answer in answers for record in _known(answer).records}


def _known(answer: Answer) -> Answer:
    if not answer.is_known:
        raise RetryLater(f"the DNS does not answer for {answer.name}: {answer.detail}")
    return answer


def challenge_record(found: Domain) -> tuple[str | None, str | None]:
    """The TXT record that proves control of a sending domain: name and text; None for others."""
    if found.challenge is None:
        return None, None
    return f"_mailglass.{found.name}", f"mailglass-verify={found.challenge}"
