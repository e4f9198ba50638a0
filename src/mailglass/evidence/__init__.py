"""Evidence: who caused each hit, and what the events of a delivery prove.

Pure: the same hits, surroundings and rules give the same answer tomorrow, so history can be judged
again.  Files, networks and clocks are the caller's.
"""

from .delivery import judge_delivery, surroundings_of
from .judge import event_of, judge_hit, verdict_word
from .neighbours import Neighbours
from .networks import network_key
from .rules import Rules, load_rules
from .surroundings import Crowd, DeliveryFacts, Origin, Surroundings
from .tables import BadRules
from .verdict import event_from, weigh

__all__ = [
    "BadRules",
    "Crowd",
    "DeliveryFacts",
    "Neighbours",
    "Origin",
    "Rules",
    "Surroundings",
    "event_from",
    "event_of",
    "judge_delivery",
    "judge_hit",
    "load_rules",
    "network_key",
    "surroundings_of",
    "verdict_word",
    "weigh",
]
