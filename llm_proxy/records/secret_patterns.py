"""What looks like a secret in a text: by the name before it, by its scheme, or by its form.

Knows no secret in particular. A text may be prose, code, a header, a URL or JSON, also JSON that
stands as a string in JSON.
"""

import re

_KEY = (
    "(?:api|access|secret|private|subscription|auth|account|signing|encryption)(?:[-_]|%2d|%5f)?key"
)
_WHICH = "s?(?:[-_]?(?:old|new|current|again|hash|confirm(?:ation|ed)?|[0-9]{1,4}))?"
_PASSWORD = f"pass(?:word|wd|phrase){_WHICH}"

# What stands before such a name is not looked at: that took time that grew with the square of
# a long word's length, as in base64.
_NAMED = rf"(?i)({_KEY}|authorization|cookie|{_PASSWORD}|secret|token|x-auth)"

_ESCAPED = r"""\\+(?:["']|u002[27])"""
"""A quote inside a JSON string, in either form that encoders give it."""

_QUOTE = r"""\\*(?:["']|u002[27])?"""
"""What may end a name, and begin another one."""

_SPACE = r"(?:\s|\\{1,4}[nrt])*"
"""White space, also as it stands in JSON."""

_SAYS = (
    rf"({_QUOTE}{_SPACE}(?::=|=>|={{1,3}}(?![=>])|:(?![:=])){_SPACE}"
    rf"(?:\{{{_SPACE}{_QUOTE}value{_QUOTE}{_SPACE}[:=]{_SPACE})?)"  # {"password": {"value": …}}
)
"""From the name to its value."""

_PREFIX = "((?:[bfru]{1,2})?)"
"""Of a string in Python."""

_DOUBLE, _SINGLE = r'"(?:[^"\\]|\\.)*"?', r"'(?:[^'\\\n]|\\.)*'?"
_BARE = r"""[^\s"'\\;&}]+"""
_NO_BARE = r"""(?![{\[](?:[\s\\"']|$)|[bfru]{1,2}\\*["']|(?:true|false|null|none)\b)"""
_IN_QUOTES = r'\\*"[^"\\]*\\*"'
_OF_COOKIE = rf"""[^\s"'\\;:&}}=]+=(?:{_IN_QUOTES}|[^\s"'\\;&}}]*)"""
_PARAMETER = rf"""[^\s"'\\;,&}}=]+=(?:{_IN_QUOTES}|[^\s"'\\;,&}}]*)"""

_BEGINS = r"(?:\b|(?<=\\[bfnrt])|(?<=\\u00[0-9A-Fa-f]{2}))"
"""Where a word begins, also behind a sign that JSON escapes and that ends in a letter then."""

_PATTERNS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # name: "value", the value with whatever it escapes
        (rf"{_NAMED}{_SAYS}{_PREFIX}{_DOUBLE}", r'\1\2\3"***"'),
        (rf"{_NAMED}{_SAYS}{_PREFIX}{_SINGLE}", r"\1\2\3'***'"),
        # the same inside a JSON string, where quotes are escaped: up to the next that is as often
        (
            rf"{_NAMED}{_SAYS}{_PREFIX}({_ESCAPED}).*?(?:(?<!\\)\4|(?m:$))",
            r"\1\2\3\4***\4",
        ),
        (rf"""{_NAMED}{_SAYS}\[{_SPACE}\\*["'][^\]]*\]?""", r"\1\2***"),
        # A number of tokens is no secret, nor is a list of those that a text is made of.
        (rf'(?i)(tokens){_SAYS}(?!"[0-9.]*"){_DOUBLE}', r'\1\2"***"'),
        (rf"(?i)(tokens){_SAYS}(?!'[0-9.]*'){_SINGLE}", r"\1\2'***'"),
        (
            rf"(?i)(tokens){_SAYS}({_ESCAPED})(?![0-9.]*\3).*?(?:(?<!\\)\3|(?m:$))",
            r"\1\2\3***\3",
        ),
        # headers of which there may be more than one word (RFC 9110, 11.4; RFC 6265, 4.2.1)
        (
            rf"(?i)(authorization){_SAYS}{_NO_BARE}"
            rf"(?:[\w-]+ +)?(?:{_PARAMETER}|{_BARE})(?:,\s*{_PARAMETER})*",
            r"\1\2***",
        ),
        (rf"(?i)(cookie){_SAYS}{_OF_COOKIE}(?:;\s*{_OF_COOKIE})*", r"\1\2***"),
        # name: value and name=value, as in headers and shells
        (rf"{_NAMED}{_SAYS}{_NO_BARE}(?:(?:bearer|basic) +)?{_BARE}", r"\1\2***"),
        (rf"(?i){_BEGINS}(bearer|basic) +[\w.~+/=-]+", r"\1 ***"),
        (rf"{_BEGINS}(sk-)[\w-]{{8,}}", r"\1***"),
        # in URLs: ?key=value, also where the query stands alone, and user:password@host
        (r"""((?<![^?&;"])key=)[^\s"'\\&#]+""", r"\1***"),
        (r"""(:\\*/\\*/[^\s/@:"'\\]*:)[^\s/@"'\\]+@""", r"\1***@"),
    )
]

_BETWEEN = r"""(?:[\s"'\\]|(?<=\\)(?:[nrtf]|u00[0-2][0-9a-f]))*[:=]"""
"""What stands between a name and the secret that it names, in each of the patterns, and more: one
way only to read each letter, lest many backslashes take time that grows with their square.

Also as it may stand in JSON, so that what is not found there is not found in what it decodes to.
"""

_IS_QUOTED = r"""[:=]{0,2}>?(?:[\s\\]|(?<=\\)[nrtf])*(?:["']|u00)"""

_ENDS = [
    (end, re.compile(more))
    for end, more in (
        *((name, _BETWEEN) for name in ("key", "cookie", "secret")),
        ("auth", f"(?:orization|(?<=x-auth)){_BETWEEN}"),
        ("passw", f"(?:or)?d{_WHICH}{_BETWEEN}"),
        ("passphrase", f"{_WHICH}{_BETWEEN}"),
        ("token", f"{_BETWEEN}|s{_BETWEEN}{_IS_QUOTED}"),  # most often that is a number
    )
]
"""Of every name in the patterns a part that is not met often, and what follows on that."""

_USERINFO = re.compile(r":\\*/\\*/[^\s/@]*@")


def may_hold_a_secret(text: str) -> bool:
    """Whether one of the patterns can match: most texts are cleared in a hundredth of the time."""
    lowered = text.casefold()
    if "sk-" in lowered or "bearer " in lowered or "basic " in lowered:
        return True
    for end, more in _ENDS:
        at = lowered.find(end)
        while at >= 0:
            at += len(end)
            if more.match(lowered, at):
                return True
            at = lowered.find(end, at)
    return "@" in lowered and _USERINFO.search(lowered) is not None


def without_secrets(text: str) -> str:
    """The text with `***` in the place of what looks like a secret."""
    if may_hold_a_secret(text):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text
