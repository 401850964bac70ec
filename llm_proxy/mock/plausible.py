"""Plausible values: what a text or a number may be, judged by its format or name."""

import random
import re
import uuid

WORDS = ("amber", "bridge", "cedar", "delta", "ember", "forest", "garden", "harbour", "island",
         "juniper", "kettle", "lantern", "meadow", "north", "orchard")  # fmt: skip
TEXTS = {
    "date": ("202{a}-0{b}-1{c}",),
    "time": ("1{a}:2{b}:3{c}Z",),
    "date-time": ("202{a}-0{b}-1{c}T1{c}:2{a}:3{b}Z",),
    "at": ("202{a}-0{b}-1{c}T1{c}:2{a}:3{b}Z",),
    "duration": ("P{a}DT{b}H", "PT{a}{b}M"),
    "email": ("{word}{a}{b}@example.com",),
    "hostname": ("{word}{a}{b}.example.com",),
    "ipv4": ("192.0.2.{a}{b}",),
    "ip": ("192.0.2.{a}{b}",),
    "ipvanyaddress": ("192.0.2.{a}{b}",),
    "ipv6": ("2001:db8::{a}{b}:{c}",),
    "uuid": ("{uuid}",),
    "uri": ("https://example.com/{word}/{a}{b}",),
    "url": ("https://example.com/{word}/{a}{b}",),
    "json-pointer": ("/{word}/{a}",),
    "name": ("Ada Lovelace", "Alan Turing", "Edsger Dijkstra", "Grace Hopper"),
    "city": ("Berlin", "Lagos", "Lima", "Osaka", "Toronto"),
    "location": ("Berlin", "Lagos", "Lima", "Osaka", "Toronto"),
    "country": ("Brazil", "Germany", "Japan", "Kenya", "Norway"),
    "currency": ("EUR", "JPY", "USD"),
    "phone": ("+120255501{a}{b}", "+44207946{a}{b}{c}0"),
    "id": ("{word}-{a}{b}{c}",),
    "key": ("{word}_{a}{b}",),
}
"""By a format of JSON Schema, or the last word of a name that is known: `home_city` is a city."""
RANGES = {"age": (18, 80), "year": (1990, 2025), "month": (1, 12), "day": (1, 28),
          "hour": (0, 23), "minute": (0, 59), "rating": (1, 5), "count": (1, 10),
          "latitude": (-60, 60), "longitude": (-180, 180), "temperature": (-10, 35)}  # fmt: skip


def plausible_text(name: str, chance: random.Random) -> str:
    """A text for a format or a property called `name`; two words for one that is unknown."""
    known = (TEXTS[word] for word in (name, *_words(name)) if word in TEXTS)
    template = chance.choice(next(known, ("{word} {more}",)))
    word, more = chance.sample(WORDS, 2)
    a, b, c = chance.choices("123456789", k=3)
    random_uuid = uuid.UUID(int=chance.getrandbits(128), version=4)
    return template.format(word=word, more=more, a=a, b=b, c=c, uuid=random_uuid)


def plausible_range(name: str) -> tuple[int, int]:
    """The least and the greatest number for a property called `name`."""
    return next((RANGES[word] for word in _words(name) if word in RANGES), (1, 100))


def filler(length: int, chance: random.Random) -> str:
    """Lower-case letters, `length` of them."""
    return "".join(chance.choices(WORDS, k=length // 5 + 1))[:length]


def _words(name: str) -> list[str]:
    """The words of a name in lower case, the last first, then without their plural."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower()
    words = re.findall(r"[a-z]+", spaced)[::-1]
    return [*words, *(word.removesuffix("s") for word in words)]
