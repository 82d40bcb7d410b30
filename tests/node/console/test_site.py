"""The paths of the console: to whom what is answered, and with which headers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from storekit.qcache.node.console.assets import PAGE, assets
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.node import Node
from tests.node.asking import store
from tests.node.test_asgi import body, call, live

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PASSWORD = {"authorization": "Basic " + base64.b64encode(b"ann:s3cret").decode()}
DATA = [
    ("GET", "/console/data/life"),
    ("GET", "/console/data/tables"),
    ("GET", "/console/data/table"),
    ("POST", "/console/data/rows"),
    ("POST", "/console/data/query"),
]
FILES = [("GET", f"/console/{name}") for name in sorted(assets().keys() - {PAGE})]


@pytest.fixture
async def app():
    node = Node()
    store(node, "k", b"a,b\n1,x\n2,y\n")
    app = application(node)
    yield app
    await live(app)


async def ask(
    app: Application, path: str, headers: Mapping[str, str] | None = None, *, query: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    return await call(app, "GET", path, headers=headers, query=query)


async def post(app: Application, path: str, content: object) -> tuple[int, dict[str, str], bytes]:
    return await call(app, "POST", path, body(json.dumps(content).encode()))


# Who gets the page


async def test_a_browser_gets_the_page(app):
    status, headers, content = await ask(app, "/", BROWSER)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["vary"] == "accept"
    assert content == assets()[PAGE].content


@pytest.mark.parametrize("accept", [None, "*/*", "text/*", "application/json", "text/html;q=0"])
async def test_who_does_not_ask_for_a_page_finds_none_as_in_qcache(app, accept):
    headers = {} if accept is None else {"accept": accept}
    status, headers, content = await ask(app, "/", headers)
    assert status == 404
    assert "content-security-policy" not in headers
    assert json.loads(content) == {"error": "There is no such path"}


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_the_root_has_no_other_method(app, method):
    assert (await call(app, method, "/", headers=BROWSER))[0] == 404


async def test_without_the_console_there_is_nothing():
    app = application(Node(), console=False)
    for method, path in [("GET", "/"), *DATA, *FILES]:
        assert (await call(app, method, path, body(b"{}"), headers=BROWSER))[0] == 404
    await live(app)


@pytest.mark.parametrize(("method", "path"), DATA)
async def test_data_are_asked_for_in_one_way(app, method, path):
    other = "POST" if method == "GET" else "GET"
    for each in (other, "PUT", "DELETE", "HEAD"):
        status, headers, _ = await call(app, each, path, body(b""))
        assert (status, headers["allow"]) == (405, method)


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console/console.html",
        "/console/data",
        "/console/data/",
        "/console/data/other",
        "/console/../console.css",
        "/console/%2e%2e/site.py",
        "/console/site.py",
        "/console/\xff",
    ],
)
async def test_there_are_no_other_paths(app, path):
    assert (await ask(app, path, BROWSER))[0] == 404


# Files


def test_the_page_loads_nothing_but_its_own_files():
    named: list[str] = []

    class Names(HTMLParser):
        def handle_starttag(self, tag, attrs):
            given = dict(attrs)
            assert not {"style", "onclick", "onload", "onerror"} & given.keys()
            assert tag not in {"style", "base", "iframe", "object", "embed"}
            if tag == "script":
                assert given["src"], "there is no script inline"
            named.extend(given[name] or "" for name in ("src", "href") if name in given)

    Names().feed(assets()[PAGE].content.decode())
    files = {name.removeprefix("console/") for name in named if not name.startswith("#")}
    assert files <= assets().keys()
    assert len(files) >= 4


def test_no_file_has_a_way_to_make_markup_of_text():
    unwanted = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://"]
    for name, asset in assets().items():
        text = asset.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert [each for each in unwanted if each in text] == [], name


@pytest.mark.parametrize(("method", "path"), FILES)
async def test_a_file_is_known_again_by_its_tag(app, method, path):
    status, headers, content = await call(app, method, path)
    assert (status, headers["cache-control"]) == (200, "no-cache")
    assert headers["content-type"].startswith(("text/javascript", "text/css", "image/svg+xml"))
    assert content
    known = {"if-none-match": headers["etag"]}
    status, again, content = await ask(app, path, known)
    assert (status, again["etag"], content) == (304, headers["etag"], b"")
    assert (await ask(app, path, {"if-none-match": '"other"'}))[0] == 200


# Headers


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), *DATA, *FILES[:1], ("GET", "/console/none")]
)
async def test_every_answer_forbids_browsers_all_that_is_not_needed(app, method, path):
    _, headers, _ = await call(app, method, path, body(b"{"), headers=BROWSER)
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_data_are_not_kept_by_browsers(app):
    _, headers, _ = await ask(app, "/console/data/life")
    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json; charset=utf-8"


# Access


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), *DATA, *FILES])
async def test_the_password_of_the_node_is_asked_for(method, path):
    app = application(Node(auth=("ann", "s3cret")))
    wrong = {"authorization": "Basic " + base64.b64encode(b"ann:wrong").decode()}
    for shown in ({}, wrong):
        status, headers, content = await call(app, method, path, headers={**BROWSER, **shown})
        assert (status, content) == (401, b"")
        assert headers["www-authenticate"] == "Basic realm=Restricted"
    status, _, _ = await call(app, method, path, body(b"{}"), headers={**BROWSER, **PASSWORD})
    assert status in (200, 400, 404)
    await live(app)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), *DATA, *FILES])
async def test_a_name_that_a_site_has_made_stand_for_this_machine_is_refused(app, method, path):
    headers = {**BROWSER, "host": "rebound.example"}
    assert (await call(app, method, path, headers=headers))[0] == 421


@pytest.mark.parametrize(("method", "path"), [*DATA, *FILES])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site"])
async def test_the_page_of_another_origin_gets_nothing(app, method, path, site):
    headers = {"sec-fetch-site": site, "host": "localhost:8888"}
    status, headers, _ = await call(app, method, path, headers=headers)
    assert status == 403
    assert "access-control-allow-origin" not in headers


async def test_nor_does_that_of_an_origin_that_may_use_the_node():
    app = application(Node(), allow_origins=["https://app.example"])
    headers = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
    assert (await ask(app, "/console/data/tables", headers))[0] == 403
    assert (await ask(app, "/qcache/status", headers))[0] == 200
    await live(app)


async def test_a_link_on_another_site_may_lead_to_the_page(app):
    headers = {**BROWSER, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert (await ask(app, "/", headers))[0] == 200


async def test_the_page_itself_may_ask(app):
    own = {"sec-fetch-site": "same-origin", "host": "localhost:8888"}
    assert (await ask(app, "/console/data/life", own))[0] == 200
    headers = {**own, "origin": "http://localhost:8888"}
    question = body(b'{"key":"k"}')
    assert (await call(app, "POST", "/console/data/query", question, headers=headers))[0] == 200


async def test_it_may_be_mounted_below_a_path(app):
    for path in ("/", "/console/data/life", "/console/console.css"):
        status, _, _ = await call(app, "GET", f"/tables{path}", headers=BROWSER, root="/tables")
        assert status == 200


# Life


async def test_life_is_told_without_resetting_anything(app):
    await post(app, "/qcache/dataset/k/q", {})
    await post(app, "/qcache/dataset/none/q", {})
    for _ in range(2):
        _, _, content = await ask(app, "/console/data/life")
        life = json.loads(content)
        assert (life["hits"], life["misses"], life["stored"], life["tables"]) == (1, 1, 1, 1)
        assert sum(life["queries"]) == 2
        assert len(life["queries"]) == len(life["stores"]) == len(life["bounds"]) + 1
        assert 0 < life["memory"] < life["size"]
        assert (life["working"], life["waiting"]) == (0, 0)
    _, _, content = await ask(app, "/qcache/statistics")
    assert json.loads(content)["hit_count"] == 1


async def test_life_tells_whether_the_node_is_about_to_end():
    node = Node()
    app = application(node)
    states = []
    for state in ("ready", "draining"):
        assert node.enter(state)
        _, _, content = await ask(app, "/console/data/life")
        states.append(json.loads(content)["state"])
    assert states == ["ready", "draining"]
    await live(app)


async def test_life_tells_whether_sql_can_be_read(app, monkeypatch):
    _, _, content = await ask(app, "/console/data/life")
    assert json.loads(content)["sql"] is True
    monkeypatch.setitem(__import__("sys").modules, "sqlglot", None)
    _, _, content = await ask(app, "/console/data/life")
    assert json.loads(content)["sql"] is False


async def test_the_content_of_a_question_is_bounded(app):
    for path in ("/console/data/rows", "/console/data/query"):
        status, _, content = await call(app, "POST", path, body(b" " * (2**20 + 1)))
        assert status == 413
        assert b"the limit is" in content or b"more than" in content
