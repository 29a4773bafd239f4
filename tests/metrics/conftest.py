import pytest

from tandem.core.rows import Span
from tandem.tasks.intent import IntentRow
from tandem.tasks.sentiment import SentimentRow
from tandem.tasks.translation import TranslationRow

# From the VADER ratings of movie reviews and tweets (MIT license).
RATED = [
    ("movie", "Effective but too tepid biopic", "negative"),
    ("movie", "It 's a lovely film with lovely performances by Buy and Accorsi .", "positive"),
    ("movie", "No one goes unindicted here , which is probably for the best .", "neutral"),
    ("movie", "And if you 're not nearly moved to tears by a couple of scenes , you 've got ice "
     "water in your veins .", "positive"),
    ("tweets", "Somehow I was blessed with some really amazing friends in my life", "positive"),
    ("tweets", "yay. another day of watching Vietnam documentaries", "neutral"),
    ("tweets", "I hate the feeling of missing someone so bad.", "negative"),
    ("tweets", "Hahahaha I don't think I've ever laughed so hard", "positive"),
]  # fmt: skip

# From Home Assistant's interface texts and intents (Apache-2.0 license).
PAIRS = [
    ("zwave_js", "Invalid websocket URL", "Ungültige WebSocket-URL", "Ungültige URL"),
    ("zwave_js", "Failed to connect", "Verbindung fehlgeschlagen", "Verbindung fehlgeschlagen"),
    ("hue", "Is {entity_name} on?", "Ist {entity_name} an?", "Ist {name} eingeschaltet?"),
    ("hue", "Turn off {entity_name}", "{entity_name} ausschalten", "{entity_name} ausschalten"),
    ("hue", "Button {subtype} and {subtype}", "Taste {subtype} und {subtype}", "Taste {subtype}"),
    ("wled", "Unexpected error", "Unerwarteter Fehler", "Ein unerwarteter Fehler trat auf"),
]

REQUESTS = [
    ("turn on the lights in the attic", "HassTurnOn", [(26, 31, "area")]),
    ("set kitchen to 40 percent", "HassLightSet", [(4, 11, "area"), (15, 17, "brightness")]),
    ("what time is it", "HassGetCurrentTime", []),
    ("open the garage door", "HassTurnOn", [(9, 15, "name")]),
]


@pytest.fixture
def sentiment_rows() -> list[SentimentRow]:
    return [
        SentimentRow(id=str(i), group=f"g{i}", domain=domain, text=text, label=label)
        for i, (domain, text, label) in enumerate(RATED)
    ]


@pytest.fixture
def translation_rows() -> list[TranslationRow]:
    return [
        TranslationRow(id=str(i), group=group, domain=group, text=text, target=target)
        for i, (group, text, target, _) in enumerate(PAIRS)
    ]


@pytest.fixture
def translations() -> list[dict[str, str]]:
    return [{"target": translation} for _, _, _, translation in PAIRS]


@pytest.fixture
def intent_rows() -> list[IntentRow]:
    return [
        IntentRow(
            id=str(i), group=f"g{i}", domain="home", text=text, label=label,
            spans=tuple(Span(start=a, end=b, label=name) for a, b, name in spans),
        )
        for i, (text, label, spans) in enumerate(REQUESTS)
    ]  # fmt: skip
