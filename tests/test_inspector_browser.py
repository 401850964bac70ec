"""The page in a real browser: it lives, can be used by keyboard, and talks to its server only."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser import running_chromium
from tests.builders import chat_document
from tests.servers import Server, running_gunicorn

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

HOSTILE = (
    "<script>hacked = 1</script><img src=x onerror='hacked = 1'></p></ol>\"'"
    "<style>body { display: none }</style>{{ 7 * 7 }}"
)

CLIPBOARD = ["clipboard-read", "clipboard-write"]

Open = Callable[..., Page]
Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_gunicorn(MOCK_REPLY="echo", MOCK_TTFT_MS="30") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as running:
        yield running


@pytest.fixture
def namespace() -> str:
    """One for each test, as all of them share the server."""
    return uuid4().hex


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Open]:
    """Open a path; at the end no page may have complained, or asked another host."""
    complaints: list[str] = []
    hosts: set[str] = set()
    contexts: list[BrowserContext] = []

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def opened(path: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(path if path.startswith("http") else server.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts - {""} <= {urlsplit(server.url).netloc}  # a data: URL has no host


@pytest.fixture
def ask(server: Server, namespace: str) -> Ask:
    def ask(document: dict[str, Any], **headers: str) -> requests.Response:
        named = {"X-Mock-Namespace": namespace, **headers}
        return server.request("POST", "/v1/chat/completions", json=document, headers=named)

    return ask


def rows(page: Page) -> list[str]:
    return page.locator(".open").all_inner_texts()


def test_exchanges_come_in_while_the_page_is_open(opened: Open, ask: Ask, namespace: str) -> None:
    page = opened(f"/?namespace={namespace}")
    expect(page.locator("#live-text")).to_have_text("Live")
    assert rows(page) == []
    ask(chat_document("the first"))
    expect(page.locator(".open")).to_have_text(["the first"])
    page.keyboard.press("j")
    ask(chat_document("the second"))
    expect(page.locator(".open")).to_have_text(["the second", "the first"])
    expect(page.locator(".open:focus")).to_have_text("the first")
    expect(page.get_by_role("status").first).to_have_text(re.compile("new exchange"))


def test_a_paused_list_stays_as_it_is_and_counts(opened: Open, ask: Ask, namespace: str) -> None:
    ask(chat_document("before"))
    page = opened(f"/?namespace={namespace}")
    expect(page.locator("#live-text")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    ask(chat_document("meanwhile"))
    resume = page.get_by_role("button", name="Resume (1 new)")
    expect(resume).to_be_visible()
    assert rows(page) == ["before"]
    resume.click()
    expect(page.locator(".open")).to_have_text(["meanwhile", "before"])


def test_the_keyboard_is_enough(opened: Open, ask: Ask, namespace: str) -> None:
    ask(chat_document("older"))
    ask(chat_document("newer"))
    page = opened(f"/?namespace={namespace}")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.user")).to_contain_text("older")
    page.keyboard.press("Escape")
    expect(page.locator(".open")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("newer")
    page.keyboard.press("Enter")
    expect(page.locator(".open")).to_have_text(["newer"])


def test_filters_narrow_the_list_and_live_updates_keep_to_them(
    opened: Open, ask: Ask, namespace: str
) -> None:
    ask(chat_document("it fails"), **{"X-Mock-Status": "503"})
    ask(chat_document("it works"))
    page = opened(f"/?namespace={namespace}")
    page.get_by_label("Status").select_option("5xx")
    expect(page.locator(".open")).to_have_text(["it fails"])
    assert "outcome" not in page.url
    expect(page.locator("#live-text")).to_have_text("Live")
    ask(chat_document("it works, too"))
    ask(chat_document("it fails again"), **{"X-Mock-Status": "500"})
    expect(page.locator(".open")).to_have_text(["it fails again", "it fails"])


def test_an_exchange_is_shown_as_a_conversation(opened: Open, ask: Ask) -> None:
    code = "Look:\n```python\nprint(1)\n```\nGood?"
    call = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    answer = ask(
        {
            "model": "gpt-4o",
            "stream": True,
            "temperature": 0.5,
            "unheard_of": 1,
            "tools": [TOOL],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": PIXEL}},
                        {"type": "image_url", "image_url": {"url": "https://else.example/a.png"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
                {"role": "user", "content": code},
            ],
        }
    )
    page = opened(f"/exchanges/{answer.headers['x-request-id']}")
    roles = [role.split()[0] for role in page.locator(".turn h3").all_inner_texts()]
    assert roles == ["system", "user", "assistant", "tool", "user", "reply"]
    expect(page.locator(".turn.reply pre")).to_have_text("print(1)")
    assert page.locator("img").evaluate("image => image.naturalWidth") == 1
    expect(page.get_by_text("https://else.example/a.png").first).to_be_visible()
    expect(page.locator(".turn .call").first).to_contain_text('"city": "Paris"')
    warnings = page.locator(".warnings .note").all_inner_texts()
    assert any("unheard_of" in one for one in warnings)
    assert any("temperature" in one for one in warnings)
    assert page.locator(".timeline .bar").count() >= 1
    expect(page.locator("#timeline-text")).to_have_text(re.compile(r"^First event after \d+ ms"))
    page.locator(".streamed summary").click()
    assert page.locator(".chunks").evaluate("one => one.textContent") == code
    assert page.locator(".chunks span").count() == 5
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_text("Events", exact=True).last.click()
    assert page.locator(".events tbody tr").count() == 6


def test_an_exchange_is_exported(opened: Open, ask: Ask) -> None:
    answer = ask(chat_document("export me", stream=True))
    page = opened(f"/exchanges/{answer.headers['x-request-id']}", permissions=CLIPBOARD)
    for name, part in (("curl", "curl -sS"), ("Fixture", '"fixtures"'), ("pytest", "def test_")):
        page.get_by_role("link", name=name, exact=True).click()
        dialog = page.get_by_role("dialog", name=name)
        expect(dialog.locator("code")).to_contain_text(part)
        expect(dialog.locator("code")).to_contain_text("export me")
        dialog.get_by_role("button", name="Copy").click()
        expect(dialog.get_by_text("Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == dialog.locator("code").evaluate("one => one.textContent")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_hostile_text_is_text(opened: Open, ask: Ask, namespace: str) -> None:
    document = chat_document(HOSTILE, user=HOSTILE, stream=True, tools=[TOOL])
    document["model"] = HOSTILE
    document["tools"][0]["function"] |= {"description": HOSTILE}
    answer = ask(document, **{"User-Agent": HOSTILE})
    page = opened(f"/?namespace={namespace}")
    expect(page.locator(".open")).to_have_text([HOSTILE])
    expect(page.locator("#live-text")).to_have_text("Live")
    ask(chat_document(HOSTILE))  # by a live update, too
    expect(page.locator(".open")).to_have_text([HOSTILE] * 2)
    assert page.evaluate("typeof hacked") == "undefined"
    page.goto(re.sub(r"/\?.*", f"/exchanges/{answer.headers['x-request-id']}", page.url))
    expect(page.locator(".turn.user .prose")).to_have_text(HOSTILE)
    expect(page.locator(".turn.reply .prose")).to_have_text(HOSTILE)
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("#main script, #main style, #main img").count() == 0


def test_a_request_is_sent_again_and_compared(opened: Open, ask: Ask, namespace: str) -> None:
    answer = ask(chat_document("once"))
    page = opened(f"/exchanges/{answer.headers['x-request-id']}")
    changed = page.locator("#send textarea").input_value().replace("once", "twice")
    page.locator("#send textarea").fill(changed)
    page.locator("#send").get_by_role("button").click()
    expect(page.get_by_role("heading", name="Two exchanges compared")).to_be_visible()
    assert page.locator("section:has(#reply) del").all_inner_texts() == ["- once"]
    assert page.locator("section:has(#reply) ins").all_inner_texts() == ["+ twice"]
    page.goto(re.sub(r"/exchanges/.*", f"/?namespace={namespace}", page.url))
    assert rows(page) == ["twice", "once"]


def test_a_connection_that_breaks_is_told(
    browser: Browser, server: Server, ask: Ask, namespace: str
) -> None:
    with pytest.raises(requests.RequestException):
        ask(chat_document("cut", stream=True), **{"X-Mock-Fault": "disconnect; after=3"})
    context = browser.new_context()  # of its own: the browser rightly complains of it
    page = context.new_page()
    page.goto(f"{server.url}/?namespace={namespace}")
    page.locator(".open").click()
    expect(page.get_by_text("disconnect, after 3 events")).to_be_visible()
    page.locator("#send").get_by_role("button").click()
    expect(page.get_by_role("heading", name="Two exchanges compared")).to_be_visible()
    context.close()


def test_it_fits_a_phone_and_the_dark(opened: Open, ask: Ask, namespace: str) -> None:
    answer = ask(chat_document("word " * 50 + "long" * 100, stream=True))
    page = opened(f"/?namespace={namespace}")
    list_url = page.url
    for url in (
        list_url,
        re.sub(r"/\?.*", f"/exchanges/{answer.headers['x-request-id']}", list_url),
    ):
        page.goto(url)
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [darkness(page, scheme) for scheme in ("light", "dark")] == [False, True]


def darkness(page: Page, scheme: Literal["light", "dark"]) -> bool:
    page.emulate_media(color_scheme=scheme)
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    return int(red) < 60


def test_all_but_the_live_update_works_without_scripts(
    opened: Open, ask: Ask, namespace: str
) -> None:
    ask(chat_document("strawberry"))
    ask(chat_document("two"), **{"X-Mock-Status": "500"})
    page = opened(f"/?namespace={namespace}", java_script_enabled=False)
    assert rows(page) == ["two", "strawberry"]
    page.get_by_label("Search", exact=True).fill("strawberry")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".open")).to_have_text(["strawberry"])
    page.locator(".open").click()
    expect(page.locator(".turn.user")).to_contain_text("strawberry")


def test_a_key_is_given_as_a_password(browser: Browser) -> None:
    credentials: Any = {"username": "", "password": "sesame"}
    with running_gunicorn(LLM_PROXY_API_KEYS="sesame", MOCK_REPLY="echo") as server:
        context = browser.new_context(http_credentials=credentials)
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#live-text")).to_have_text("Live")
        expect(page.get_by_text("Authorization: Bearer KEY")).to_be_visible()
        headers = {"Authorization": "Bearer sesame"}
        server.request("POST", "/v1/chat/completions", json=chat_document("hi"), headers=headers)
        page.locator(".open").click()
        page.locator("#send").get_by_role("button").click()
        expect(page.get_by_text("The same in both.").first).to_be_visible()
        context.close()


def test_all_of_it_works_below_a_prefix(browser: Browser) -> None:
    with running_gunicorn(MOCK_REPLY="echo", SCRIPT_NAME="/llm") as server:
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{server.url}/llm/")
        expect(page.locator("#live-text")).to_have_text("Live")
        expect(page.locator(".empty")).to_contain_text(f"curl -N {server.url}/llm/v1/chat")
        server.request("POST", "/llm/v1/chat/completions", json=chat_document("hi there"))
        page.get_by_role("link", name="hi there").click()
        page.get_by_role("link", name="curl", exact=True).click()
        expect(page.locator("dialog")).to_contain_text(f"{server.url}/llm/v1/chat/completions")
        page.get_by_role("button", name="Close").click()
        page.locator("#send").get_by_role("button", name="Send again").click()
        expect(page).to_have_url(re.compile("/llm/exchanges/.+/compare/.+"))
        page.goto(f"{server.url}/llm/")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name=re.compile("Forget")).click()
        expect(page.locator(".open")).to_have_count(0)
