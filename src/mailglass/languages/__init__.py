"""The languages that Mailglass speaks: their catalogs, and finding a sentence's template again.

English is the language of the sources. What each room can say is handed in by whoever tells it.
"""

from .catalog import LANGUAGES, Language, choose_language
from .phrasebook import Phrasebook

__all__ = ["LANGUAGES", "Language", "Phrasebook", "choose_language"]
