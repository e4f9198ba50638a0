"""Evidence: who caused each hit, and what the events of a delivery prove.

Pure: the same hits, surroundings and rules give the same answer tomorrow, so history can be judged
again.  Files, networks and clocks are the caller's.
"""

from .delivery import judge_delivery, surroundings_of
from .judge import event_of, judge_hit, verdict_word
from .lists import BadList, KeptList, ListSource, keep_list, kept_lists, list_sources
from .neighbours import Neighbours, Trace
from .networks import network_key
from .priors import (
    Learned,
    LearnedShare,
    expected_share,
    has_moved,
    kind_of_hit,
    learned_from,
    with_learned,
)
from .rejudge import Change, change_of_hit, change_of_verdict
from .rules import FAMILIES, Rules, Signal, load_rules
from .surroundings import ALONE, Crowd, DeliveryFacts, Origin, Surroundings
from .tables import BadRules
from .verdict import Weighed, as_told, event_from, weigh, weigh_all, weighed_from, weighed_of

__all__ = [
    "ALONE",
    "FAMILIES",
    "BadList",
    "BadRules",
    "Change",
    "Crowd",
    "DeliveryFacts",
    "KeptList",
    "Learned",
    "LearnedShare",
    "ListSource",
    "Neighbours",
    "Origin",
    "Rules",
    "Signal",
    "Surroundings",
    "Trace",
    "Weighed",
    "as_told",
    "change_of_hit",
    "change_of_verdict",
    "event_from",
    "event_of",
    "expected_share",
    "has_moved",
    "judge_delivery",
    "judge_hit",
    "keep_list",
    "kept_lists",
    "kind_of_hit",
    "learned_from",
    "list_sources",
    "load_rules",
    "network_key",
    "surroundings_of",
    "verdict_word",
    "weigh",
    "weigh_all",
    "weighed_from",
    "weighed_of",
    "with_learned",
]
