"""The store of finished replies: bounded, shared by all workers, and without a key in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_proxy.core.reply import Choice, Reply, Usage
from llm_proxy.sqlite import place
from llm_proxy.sqlite.database import Database
from llm_proxy.sqlite.store import SqliteStore
from llm_proxy.store import Stored
from tests.builders import chat_request
from tests.sdk import client_of
from tests.servers import running_gunicorn


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = place.database(place.whereabouts(str(tmp_path / "x.sqlite3"), {}))
    yield opened
    opened.close()


def stored(name: str, text: str = "hi", **fields: str) -> Stored:
    reply = Reply((Choice((text,)),), Usage(1, 2))
    request = chat_request(text, headers=fields)
    return Stored(id=name, endpoint="chat", request=request, document={"id": name}, reply=reply)


def ids(store: SqliteStore) -> list[str]:
    return [one.id for one in store.all("chat")]


def test_what_is_read_is_what_was_put(database: Database) -> None:
    store = SqliteStore(database, "mock")
    store.put(stored("a"))
    assert store.get("chat", "a") == stored("a")
    assert store.get("responses", "a") is None
    assert SqliteStore(database, "adapter").get("chat", "a") is None


def test_no_header_of_a_request_is_kept(database: Database, tmp_path: Path) -> None:
    SqliteStore(database, "mock").put(stored("a", authorization="Bearer sekret-key"))
    database.close()
    assert not [path for path in tmp_path.iterdir() if b"sekret" in path.read_bytes()]


def test_each_namespace_has_its_own_replies_even_under_one_id(database: Database) -> None:
    store = SqliteStore(database, "mock", limit=3)
    for namespace in ("", "a", "b"):
        store.of(namespace).put(stored("same", text=f"of {namespace}"))
    store.of("a").replace(stored("same", text="changed"))
    assert store.of("b").delete("chat", "same")
    kept = {name: store.of(name).get("chat", "same") for name in ("", "a", "b")}
    assert kept == {"": stored("same", text="of "), "a": stored("same", text="changed"), "b": None}
    assert [ids(store.of(name)) for name in ("", "a", "b")] == [["same"], ["same"], []]


def test_all_namespaces_share_the_room(database: Database) -> None:
    store = SqliteStore(database, "mock", limit=2)
    for name in ("a", "b", "c"):
        store.of(name).put(stored(name))
    assert [ids(store.of(name)) for name in ("a", "b", "c")] == [[], ["b"], ["c"]]


def test_the_oldest_make_room_for_the_newest(database: Database) -> None:
    store = SqliteStore(database, "mock", limit=2)
    for name in ("a", "b", "c"):
        store.put(stored(name))
    assert ids(store) == ["b", "c"]
    assert store.all("responses") == []


def test_long_replies_make_room_earlier(database: Database) -> None:
    store = SqliteStore(database, "mock", limit=10, max_bytes=10_000)
    for name in ("a", "b", "c", "d"):
        store.put(stored(name, "x" * 2000))
    assert ids(store) == ["c", "d"]


def test_a_reply_that_is_too_long_by_itself_is_still_kept(database: Database) -> None:
    store = SqliteStore(database, "mock", limit=10, max_bytes=1000)
    store.put(stored("a"))
    store.put(stored("b", "x" * 5000))
    assert ids(store) == ["b"]


def test_a_reply_that_was_deleted_meanwhile_is_not_brought_back(database: Database) -> None:
    store = SqliteStore(database, "mock")
    store.replace(stored("a"))
    assert store.get("chat", "a") is None


def test_a_conversation_goes_on_whichever_worker_is_asked() -> None:
    with (
        running_gunicorn("--workers", "2", MOCK_REPLY="echo") as server,
        client_of(server, "/v1") as client,
    ):
        previous = None
        for turn in range(12):
            response = client.responses.create(
                model="gpt-4o", input=f"turn {turn}", previous_response_id=previous
            )
            previous = response.id
        items = client.responses.input_items.list(previous or "")
        assert response.output_text == "turn 11"
        assert len(items.data) == 1
