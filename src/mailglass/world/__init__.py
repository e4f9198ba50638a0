"""Simulated mailbox providers and the people behind them, for the demo and for tests.

`simulate` gives deliveries as pure records with known truth; `LiveWorld` plays the same stories
over real SMTP and HTTP on loopback; `letters` writes mail to send there. Nothing here is an
observation: the figures and their sources stand in `data/`, and docs/explain/world.md tells what
is assumed.
"""

from __future__ import annotations

from .answers import Answers, Fate
from .letters import Letter, letters
from .live import LiveDelivery, LiveWorld, Visit
from .maildrop import Maildrop
from .pace import EvenPace, Pace, SlowingPace
from .population import Mailbox, Place, Population
from .reading import ReceivedMail, read_mail
from .records import Act, Fetch, Story, Truth
from .simulator import SimulatedDelivery, SimulatedRequest, simulate
from .story import tell_story
from .summary import Example, JudgedHit, Summary, summarise
from .tables import Figures, Provider

__all__ = [
    "Act",
    "Answers",
    "EvenPace",
    "Example",
    "Fate",
    "Fetch",
    "Figures",
    "JudgedHit",
    "Letter",
    "LiveDelivery",
    "LiveWorld",
    "Mailbox",
    "Maildrop",
    "Pace",
    "Place",
    "Population",
    "Provider",
    "ReceivedMail",
    "SimulatedDelivery",
    "SimulatedRequest",
    "SlowingPace",
    "Story",
    "Summary",
    "Truth",
    "Visit",
    "letters",
    "read_mail",
    "simulate",
    "summarise",
    "tell_story",
]
