"""Simulated mailbox providers and the people behind them, for the demo and for tests.

`simulate` gives deliveries as pure records with known truth. Nothing here is an observation: the
figures and their sources stand in `data/`, and docs/explain/world.md tells what is assumed.
"""

from __future__ import annotations

from .population import Mailbox, Place, Population
from .records import Act, Fetch, Story, Truth
from .simulator import SimulatedDelivery, SimulatedRequest, simulate
from .story import tell_story
from .tables import Figures, Provider

__all__ = [
    "Act",
    "Fetch",
    "Figures",
    "Mailbox",
    "Place",
    "Population",
    "Provider",
    "SimulatedDelivery",
    "SimulatedRequest",
    "Story",
    "Truth",
    "simulate",
    "tell_story",
]
