"""Whatever a query is made of, it finds what its parts say."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.qdb import InvalidQuery, RawClient

TAGS = {"1": "abc", "2": "ab", "3": "a", "4": "", "5": "c"}

queries = st.recursive(
    st.sampled_from("abcd").map(lambda tag: (f"tag='{tag}'", lambda tags: tag in tags)),
    lambda inner: st.one_of(
        inner.map(lambda q: (f"not ({q[0]})", lambda tags: not q[1](tags))),
        st.tuples(inner, inner).map(
            lambda qs: (
                f"({qs[0][0]}) AND ({qs[1][0]})",
                lambda tags: qs[0][1](tags) and qs[1][1](tags),
            )
        ),
        st.tuples(inner, inner).map(
            lambda qs: (
                f"({qs[0][0]} or {qs[1][0]})",
                lambda tags: qs[0][1](tags) or qs[1][1](tags),
            )
        ),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(query=queries)
def test_a_query_finds_what_its_parts_say(query):
    text, matches = query
    with RawClient("embedded:find-properties?mode=memory") as client:
        client.remove_many(TAGS)
        client.put_many((alias, b"") for alias in TAGS)
        for alias, tags in TAGS.items():
            for tag in tags:
                client.attach_tag(alias, tag)
        expected = [alias for alias, tags in TAGS.items() if matches(tags)]
        assert client.find(f"type=blob and ({text})") == expected


@settings(deadline=None)
@given(st.text("find()tagype='\"ornd blob\0", max_size=40))
def test_any_text_is_a_query_or_refused(text):
    with RawClient("embedded:") as client, contextlib.suppress(InvalidQuery):
        assert client.find(text) == []
