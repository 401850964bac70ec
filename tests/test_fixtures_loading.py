"""Fixture files: what loads, in which order, and how a mistake is told."""

import os
from pathlib import Path

import pytest

from llm_proxy.mock.fixtures.loading import Loader, loaded
from tests.fixtures import SAID, Document, fixture, text

HELLO = fixture({"userMessage": "hello"})


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in loaded(path).problems]


def problems_of(folder: Path, *documents: Document) -> list[str]:
    file = folder / "f.json"
    file.write_text(text(*documents))
    return problems(file)


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text(fixture({"userMessage": "a", "turnIndex": 1})))
    (tmp_path / "b.yaml").write_text(
        "fixtures:\n- match: {userMessage: a, turnIndex: 1}\n  response: {content: said}\n"
    )
    json, yaml = loaded(tmp_path).fixtures
    assert (json.match, json.endpoints) == (yaml.match, yaml.endpoints)


def test_files_come_in_the_order_of_their_names_and_then_the_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("z.json", "b.yml", "a/y.yaml", "a/b/x.json", ".hidden.json", "notes.txt"):
        (tmp_path / name).write_text(text(HELLO))
    found = [one.file for one in loaded(tmp_path).fixtures]
    assert found == ["b.yml", "z.json", "a/y.yaml", "a/b/x.json"]


def test_a_folder_that_is_linked_into_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text(HELLO))
    (tmp_path / "self").symlink_to(tmp_path)
    assert [one.file for one in loaded(tmp_path).fixtures] == ["a.json"]


WRONG: dict[str, tuple[Document, str]] = {
    "a key of a match": (
        fixture({"userMesage": "a"}),
        "match.userMesage: the key 'userMesage' is not known; is it 'userMessage'?",
    ),
    "a key of the fixture": (
        fixture(latncy=1),
        "latncy: the key 'latncy' is not known; is it 'latency'?",
    ),
    "a key of a response": (
        fixture({}, {"content": "a", "finish_reason": "stop"}),
        "response.finish_reason: the key 'finish_reason' is not known; is it 'finishReason'?",
    ),
    "a key of a call": (
        fixture({}, {"toolCalls": [{"name": "a"}, {"name": "a", "args": {}}]}),
        "response.toolCalls[1].args: the key 'args' is not known; is it 'arguments'?",
    ),
    "a key of a fault": (
        fixture(fault={"kind": "reset", "after": 1}),
        "fault.after: the key 'after' is not known; is it 'afterChunks'?",
    ),
    "a key of chaos": (
        fixture(chaos={"droprate": 1}),
        "chaos.droprate: the key 'droprate' is not known; is it 'dropRate'?",
    ),
    "a type": (
        fixture({"turnIndex": "1"}),
        "match.turnIndex: expected `int`, got `str`",
    ),
    "a rate": (fixture(chaos={"dropRate": 2}), "chaos.dropRate: expected `float` <= 1.0"),
    "a finish reason": (
        fixture({}, {"content": "a", "finishReason": "end_turn"}),
        "response.finishReason: invalid enum value 'end_turn'; allowed are "
        "stop, length, tool_calls, content_filter, function_call",
    ),
    "an endpoint": (
        fixture({"endpoint": "Embeddings"}),
        "match.endpoint: the endpoint 'Embeddings' is not known; is it 'embedding'?",
    ),
    "a pattern": (
        fixture({"userMessage": {"regex": "(a"}}),
        "match.userMessage: '(a' is not a pattern: missing ) at position 2",
    ),
    "a response of no kind": (
        fixture({}, {"model": "a"}),
        "response: it must be one of content, toolCalls or blocks, embedding, error, "
        "but has none of them",
    ),
    "a response of two kinds": (
        fixture({}, {"content": "a", "embedding": [1]}),
        "response: it must be one of content, toolCalls or blocks, embedding, error, "
        "but has content, toolCalls or blocks and embedding",
    ),
    "a status without an error": (
        fixture({}, {"content": "a", "status": 500}),
        "response.status: it goes with an error only, as does retryAfter",
    ),
    "a template": (
        fixture({"userMessage": {"regex": "(?P<order>a)"}}, {"content": "{{ ordr }}"}),
        "response.content: the template names 'ordr', which is not known; is it order?",
    ),
    "nothing at all": ({}, "object missing required field `match`"),
}


@pytest.mark.parametrize(("document", "message"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_file_number_and_key(
    tmp_path: Path, document: Document, message: str
) -> None:
    found = problems_of(tmp_path, HELLO, document)
    assert [one.lower() for one in found] == [f"f.json#2: {message}".lower()]


def test_all_mistakes_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text(fixture({"x": 1}), HELLO, fixture({"y": 1}, {"z": 1})))
    (tmp_path / "b.json").write_text("{")
    assert [one.partition(":")[0] for one in problems(tmp_path)] == [
        "a.json#1",
        "a.json#3",
        "a.json#3",
        "b.json",
    ]


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("a.json", '{"fixtures": [\n  {]}', "it is not JSON: JSON is malformed: "),
        ("a.json", "[]", "it must be an object with 'fixtures', a list"),
        ("a.json", '{"fixtures": {}}', "fixtures: it must be there, and a list"),
        ("a.json", '{"fixtuers": []}', "fixtuers: the key 'fixtuers' is not known; is it"),
        ("a.json", '{"fixtures": [], "x": 1}', "x: the key 'x' is not known"),
        ("a.json", '{"fixtures": [{"match": "\\ud800"}]}', "it is not JSON: "),
        ("a.yaml", "fixtures: [", "it is not YAML: "),
        ("a.yaml", "a: 1\na: 2\n", "it is not YAML: the key 'a' comes twice (line 2, column 1)"),
        ("a.yaml", "&a [*a]", "it holds what JSON cannot say: "),
        ("a.yaml", "fixtures: []\n", "there are no fixtures in it"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, written: str, message: str) -> None:
    (tmp_path / name).write_text(written)
    (found,) = problems(tmp_path / name)
    assert message in found


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert problems(missing) == [f"{missing}: there is no such file or folder"]


def test_yaml_knows_no_dates_and_no_other_words_for_true(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "fixtures:\n- match: {userMessage: yes, context: 2024-01-01}\n  response: {content: no}\n"
    )
    (found,) = loaded(tmp_path).fixtures
    assert found.match == {"userMessage": "yes", "context": "2024-01-01"}


def test_comments_are_no_keys(tmp_path: Path) -> None:
    remarked = {"$comment": "a", "match": {"_why": "b"}, "response": {**SAID, "//": "c"}}
    (tmp_path / "a.json").write_text(text(remarked).replace("{", '{"$schema": "d",', 1))
    assert problems(tmp_path) == []


def test_what_aimock_knows_and_nothing_here_acts_on_is_warned_about(tmp_path: Path) -> None:
    odd = fixture({}, {"content": "a", "webSearches": ["b"], "role": "assistant"})
    (tmp_path / "a.json").write_text(text(odd))
    found = loaded(tmp_path)
    assert found.problems == []
    assert [str(one) for one in found.warnings] == [
        "a.json#1: response.role: it has no effect here",
        "a.json#1: response.webSearches: it has no effect here",
    ]


def test_what_is_loaded_again_is_read_only_where_it_has_changed(tmp_path: Path) -> None:
    same, other = tmp_path / "a.json", tmp_path / "b.json"
    for file in (same, other):
        file.write_text(text(HELLO, fixture({}, {**SAID, "role": "assistant"})))
        os.utime(file, (1, 1))  # long ago: what has just changed may change once more
    loader = Loader(tmp_path)
    before = loader.load()
    other.write_text(text(HELLO))
    (tmp_path / "c.json").write_text(text(HELLO))
    after = loader.load()
    assert [one.label for one in after.fixtures] == ["a.json#1", "a.json#2", "b.json#1", "c.json#1"]
    assert after.fixtures[0] is before.fixtures[0]
    assert [str(one) for one in after.warnings] == [
        "a.json#2: response.role: it has no effect here"
    ]
    same.unlink()
    assert [one.label for one in loader.load().fixtures] == ["b.json#1", "c.json#1"]
