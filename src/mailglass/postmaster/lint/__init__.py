"""One message against the rules of each provider, before it goes.

`lint` reads the message as it leaves: after instrumenting and signing. It asks the DNS about keys
and SPF through the resolver it is given, and leaves spam filters to the caller (`FilterScore`).
"""

from __future__ import annotations

from .filters import FilterScore
from .forecast import Forecast, forecasts
from .report import LintReport, lint

__all__ = ["FilterScore", "Forecast", "LintReport", "forecasts", "lint"]
