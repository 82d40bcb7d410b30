"""The reference says of a name what its source says."""

import pytest

from tools.site_source import fields_of, is_async, kind_of, members_of, signature_of, text_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("storekit.qdb.AsyncClient", "class"),
        ("storekit.qdb.AliasNotFound", "exception"),
        ("storekit.qdb.AsyncClient.get", "method"),
        ("storekit.qdb.AsyncClient.codec", "property"),
        ("storekit.recipes.lock", "function"),
        ("storekit.qcache.Content", "data"),
    ],
)
def test_the_kind_of_a_name(name, kind):
    assert kind_of(name) == kind


def test_what_is_awaited_is_async():
    assert is_async("storekit.qdb.AsyncClient.get")
    assert not is_async("storekit.qdb.Client.get")


def test_a_signature_has_the_names_of_types_and_the_first_result_that_is_promised():
    written = signature_of("storekit.qdb.AsyncClient.get")
    assert written.startswith("(alias: Alias, default: object=")
    assert written.endswith(" -> Value")
    assert "expiry_time: Expiry=None" in signature_of("storekit.qdb.AsyncClient.put")
    assert signature_of("storekit.PoolLimits").startswith("(*, min_size: int = 0, ")


def test_a_description_that_a_module_has_from_another_one_is_found():
    assert text_of("storekit.qdb.PRESERVE_EXPIRY")[0]


def test_members_are_in_the_order_of_the_source():
    from storekit.recipes import AsyncCounter

    assert members_of(AsyncCounter) == ["add", "value", "reset"]


def test_sections_of_a_docstring_become_fields():
    docstring = (
        "Do it.\n\nArgs:\n    one: The first,\n        at length: yes.\n    two: The second.\n\n"
        "Raises:\n    TypeError, ValueError: It is wrong.\n"
    )
    assert fields_of(docstring).splitlines() == [
        "Do it.",
        "",
        ":param one: The first,",
        "    at length: yes.",
        ":param two: The second.",
        "",
        ":raises TypeError, ValueError: It is wrong.",
    ]
