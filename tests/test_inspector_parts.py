"""What the page is made of: texts in passages, conversations, pictures, differences."""

import pytest

from llm_proxy.inspector.conversation import Part, Turn, conversation, parameters, tools
from llm_proxy.inspector.difference import MOST_LINES, Line, difference
from llm_proxy.inspector.passages import Passage, passages
from llm_proxy.inspector.timeline import At, Bar, Mark, Span, picture, written


def said(text: str) -> Part:
    return Part(kind="text", text=text, passages=[Passage(text)])


def call(name: str, arguments: str) -> Part:
    return Part(kind="call", label=name, text=arguments)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" \n", []),
        ("one\n\ntwo", [Passage("one\n\ntwo")]),
        ("a\n```py\nx\n```\nb", [Passage("a"), Passage("x", True, "py"), Passage("b")]),
        ("```\n\n```", [Passage("", True)]),
        ("```js title.js (1-9)\nx", [Passage("x", True, "js title.js (1-9)")]),
        ("````\n```\nx\n```\n````", [Passage("```\nx\n```", True)]),
        ("~~~\nx\n```\n~~~~\ny", [Passage("x\n```", True), Passage("y")]),
        ("in `line` and ```also``` so", [Passage("in `line` and ```also``` so")]),
        ("```", [Passage("", True)]),
    ],
)
def test_a_text_falls_into_prose_and_fenced_code(text: str, pieces: list[Passage]) -> None:
    assert passages(text) == pieces


def test_a_chat_is_a_conversation() -> None:
    function = {"name": "f", "arguments": '{"a":1}'}
    document = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Hi."}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]},
            {"role": "assistant", "function_call": {"name": "g", "arguments": "no JSON"}},
            {"role": "tool", "tool_call_id": "1", "content": "Done."},
            {"role": "assistant", "refusal": "No."},
        ]
    }
    assert conversation(document) == [
        Turn("system", [said("Be brief.")]),
        Turn("user", [said("Hi.")], "ann"),
        Turn("assistant", [call("f", '{\n  "a": 1\n}')]),
        Turn("assistant", [call("g", "no JSON")]),
        Turn("tool", [Part(kind="result", label="1", text="Done.")]),
        Turn("assistant", [said("No.")]),
    ]


def test_items_of_the_responses_api_are_a_conversation() -> None:
    document = {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "Done."},
        ],
    }
    assert conversation(document) == [
        Turn("system", [said("Be brief.")], "instructions"),
        Turn("user", [said("Hi.")]),
        Turn("assistant", [said("Hm.")], "reasoning"),
        Turn("assistant", [call("f", "{}")]),
        Turn("tool", [Part(kind="result", label="1", text="Done.")]),
    ]


@pytest.mark.parametrize(
    ("document", "turns"),
    [
        ({"prompt": "a", "suffix": "b"}, [("prompt", "a"), ("suffix", "b")]),
        ({"prompt": ["a", "b"]}, [("prompt", "a"), ("prompt", "b")]),
        ({"prompt": [1, 2]}, [("prompt", "[1, 2]")]),
        ({"prompt": [[1], [2]]}, [("prompt", "[1]"), ("prompt", "[2]")]),
        ({"input": "a"}, [("", "a")]),
        ({"input": ["a", "b"]}, [("", "a"), ("", "b")]),
        ({"query": "a", "documents": ["b"]}, [("query", "a"), ("documents", "b")]),
    ],
)
def test_other_surfaces_are_shown_as_what_the_user_said(
    document: object, turns: list[tuple[str, str]]
) -> None:
    found = conversation(document)
    assert [(turn.name, *(part.text for part in turn.parts)) for turn in found] == turns
    assert {turn.role for turn in found} == {"user"}


@pytest.mark.parametrize(
    "document",
    [
        *(None, "text", 5, [], {}),
        {"messages": None},
        {"messages": [None, 1, [], {}, {"role": 5, "content": {"a": 1}}]},
        {"messages": [{"role": "user", "content": [None, 1, {"type": 5}, {"text": None}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [None, {"function": 5}, {}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}]},
        {"messages": [{"role": "tool", "content": {"a": []}}], "tools": 5, "functions": [1]},
        {"input": {"a": 1}, "prompt": {"b": 1}, "instructions": [[]]},
        {"input": [{"type": "function_call"}, {"type": "unheard_of"}]},
    ],
)
def test_whatever_was_sent_is_taken(document: object) -> None:
    for turn in conversation(document):
        assert all(isinstance(part.text, str) for part in turn.parts)
    parameters(document)
    tools(document)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("data:image/png;base64,aGk=", True),
        ("data:image/svg+xml;base64,aGk=", False),
        ("data:text/html;base64,aGk=", False),
        ("data:image/png,x", False),
        ("https://else.example/a.png", False),
        ("javascript:alert(1)", False),
    ],
)
def test_only_a_picture_in_the_request_itself_is_shown(url: str, shown: bool) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    ((part,),) = [
        t.parts for t in conversation({"messages": [{"role": "user", "content": content}]})
    ]
    assert (part.kind, part.source) == ("image", url if shown else "")
    assert shown or part.text == url


def test_parameters_are_all_else() -> None:
    document = {"model": "m", "n": 2, "messages": [], "tools": [], "stop": ["a"], "x": {"a": None}}
    assert parameters(document) == {"model": "m", "n": "2", "stop": '["a"]', "x": '{"a": null}'}


def test_tools_of_every_form_have_a_name() -> None:
    function = {"name": "f", "description": "Does."}
    document = {
        "tools": [{"type": "function", "function": function}, {"type": "web_search"}, function],
        "functions": [{"name": "g"}],
    }
    assert [one[:2] for one in tools(document)] == [
        ("f", "Does."),
        ("web_search", ""),
        ("f", "Does."),
        ("g", ""),
    ]


def test_the_picture_has_bars_gaps_and_an_axis() -> None:
    events = [
        At(100, "text", 4),
        At(110, "text", 1),
        At(120, "tool", 4),
        At(620, "text", 0),
        At(630, "text", 4),
        At(1000, "finish", 0),
    ]
    shown = picture(events, 1000.0)
    assert (shown.first, shown.end) == (10.0, 1000.0)
    assert list(shown.bars) == [
        Bar(10.0, 1.0, "text", "100 ms: text, 4 characters"),
        Bar(11.0, 0.625, "text", "110 ms: text, 1 characters"),
        Bar(12.0, 1.0, "tool", "120 ms: tool, 4 characters"),
        Bar(62.0, 0.25, "text", "620 ms: text, 0 characters"),
        Bar(63.0, 1.0, "text", "630 ms: text, 4 characters"),
    ]
    assert list(shown.gaps) == [Span(12.0, 50.0, 500)]
    assert list(shown.marks)[::4] == [Mark(0.0, "0"), Mark(80.0, "800 ms")]
    assert shown.summary == (
        "First event after 100 ms, 5 events in 1.00 s. "
        "Between two events usually 10 ms, at most 500 ms, after event 3."
    )


def test_events_at_one_place_make_one_bar() -> None:
    shown = picture([At(n / 100, "text", 1) for n in range(10_000)], 100_000.0)
    assert [bar.title for bar in shown.bars] == [
        "0 ms to 99.99 ms, 10000 events: text, 10000 characters".replace("99.99", "100")
    ]


@pytest.mark.parametrize("total", [0.0, 0.004, 3.0, 7_200_000.0])
def test_any_time_has_an_axis(total: float) -> None:
    marks = picture([], total).marks
    assert 1 <= len(marks) <= 7
    assert all(0 <= mark.x <= 100 for mark in marks)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        *((0, "0 ms"), (0.04, "0 ms"), (1.25, "1.2 ms"), (9, "9 ms"), (10.4, "10 ms")),
        *((999.4, "999 ms"), (999.6, "1.00 s"), (1234, "1.23 s"), (12_345, "12.3 s")),
        (125_000, "2 min 5 s"),
    ],
)
def test_times_have_the_digits_that_matter(ms: float, text: str) -> None:
    assert written(ms) == text


def test_texts_are_compared_by_line() -> None:
    common = "1\n2\n3\n4\n5"
    assert difference(f"{common}\na\nb", f"{common}\na\nx\ny") == [
        Line("…", "3 lines that both have"),
        *(Line(" ", "4"), Line(" ", "5"), Line(" ", "a")),
        *(Line("-", "b"), Line("+", "x"), Line("+", "y")),
    ]
    assert difference(common, f"0\n{common}")[-1] == Line("…", "2 lines that both have")
    assert difference(common, common) == []


@pytest.mark.parametrize(
    ("before", "after"), [("a", "a\n"), ("a\n" * MOST_LINES, "a\n" * MOST_LINES + "b")]
)
def test_texts_that_differ_are_never_called_the_same(before: str, after: str) -> None:
    assert [line.sign for line in difference(before, after)] == ["…"]
