"""What a process remembers of the dictionary tables, so that a hit costs no look-up.

A transaction remembers for itself; what it learnt goes to the process when it has committed, so
that a number which was rolled back is never used. `forget` is for whoever finds that rows were
removed from the tables (`DictionaryStatements`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

__all__ = ["Memory"]

_MOST = 100_000  # entries of each dictionary, some 300 bytes each; then it begins anew
_MOST_OBJECTS = 20_000  # each holds its object, some 2 kB; as many as evidence remembers and more


class Memory:
    """Two-way tables by the name of their dictionary."""

    def __init__(self, shared: Memory | None = None) -> None:
        self._shared = shared
        self._numbers: dict[str, dict[Hashable, int]] = {}
        self._values: dict[str, dict[int, Any]] = {}  # Any: what the dictionary holds
        # by `id`, with the object itself: while it is held nothing else has its `id`
        self._objects: dict[int, tuple[object, int]] = {}
        self.epoch: int = 0 if shared is None else shared.epoch

    def number_of(self, name: str, key: Hashable) -> int | None:
        """The number under which a thing stands; None when it is not remembered."""
        found = self._numbers.get(name, {}).get(key)
        if found is None and self._shared is not None:
            return self._shared.number_of(name, key)
        return found

    def value_of(self, name: str, number: int) -> Any:  # Any: as above
        """What stands under a number; None when it is not remembered."""
        found = self._values.get(name, {}).get(number)
        if found is None and self._shared is not None:
            return self._shared.value_of(name, number)
        return found

    def number_of_object(self, thing: object) -> int | None:
        """As `number_of`, of a very object: for those that many rows share and hash slowly."""
        found = self._objects.get(id(thing))
        if found is None:
            return None if self._shared is None else self._shared.number_of_object(thing)
        return found[1]

    def learn_object(self, thing: object, number: int) -> None:
        """Remember the number of an object."""
        if len(self._objects) >= _MOST_OBJECTS:
            self._objects.clear()
        self._objects[id(thing)] = (thing, number)

    def learn_number(self, name: str, key: Hashable, number: int) -> None:
        """Remember the number of a thing."""
        _add(self._numbers, name, key, number)

    def learn_value(self, name: str, number: int, value: Any) -> None:  # Any: as above
        """Remember what stands under a number."""
        _add(self._values, name, number, value)

    def forget(self, epoch: int) -> None:
        """Rows were removed: no number that was remembered may be written any more."""
        self._shared = None
        self._numbers, self._objects = {}, {}
        self.epoch = epoch

    def keep(self, other: Memory) -> None:
        """Take over what a committed transaction learnt."""
        if other.epoch != self.epoch:
            self._numbers, self._objects, self.epoch = {}, {}, other.epoch
        for name, numbers in other._numbers.items():
            _merge(self._numbers, name, numbers)
        for name, values in other._values.items():
            _merge(self._values, name, values)
        if len(self._objects) + len(other._objects) > _MOST_OBJECTS:
            self._objects = other._objects
        else:
            self._objects.update(other._objects)


def _add(tables: dict[str, dict[Any, Any]], name: str, key: Any, value: Any) -> None:
    table = tables.setdefault(name, {})
    if len(table) >= _MOST:
        table.clear()
    table[key] = value


def _merge(tables: dict[str, dict[Any, Any]], name: str, more: dict[Any, Any]) -> None:
    # A new table in place of the old one, since another thread may be reading that.
    old = tables.get(name, {})
    if not more:
        return
    if len(old) + len(more) > _MOST:
        tables[name] = more
    else:
        old.update(more)
        tables[name] = old
