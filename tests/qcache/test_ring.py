"""The ring agrees with qcache-client's, key for key."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qclient.node_ring import NodeRing

from storekit.qcache.ring import HashRing

COLLIDING = ("http://host76:9401", "http://host47:9401")
"""Point 169 of the first and point 68 of the second are the same."""
KEY_AT_COLLISION = "key-3006"
THIRD = "http://third0:9401"
"""Has the point after that one."""

names = st.one_of(
    st.sampled_from([f"http://host{number}:9401" for number in range(5)]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
keys = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40
)


def assert_agree(ring: HashRing, peer: NodeRing, keys: list[str]) -> None:
    assert [ring.node_for(key) for key in keys] == [peer.get_node(key) for key in keys]


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=1, max_size=6), st.lists(keys, min_size=1, max_size=50))
@example(["http://a:1", "http://a:1", "http://b:2"], ["k1", "k2", "k3"])
def test_a_whole_ring_agrees_with_qcache_client(nodes: list[str], keys: list[str]) -> None:
    assert_agree(HashRing(nodes), NodeRing(nodes), keys)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_rings_agree_through_drops_and_come_backs(data: st.DataObject) -> None:
    nodes = data.draw(st.lists(names, min_size=1, max_size=5))
    ring, peer, out = HashRing(nodes), NodeRing(nodes), set()
    sample = [f"key-{number}" for number in range(40)]
    for node in data.draw(st.lists(st.sampled_from(nodes), max_size=12)):
        if node in out:
            out.discard(node)
            ring.put_back(node)
            peer.add_node(node)
        else:
            out.add(node)
            ring.take_out(node)
            peer.remove_node(node)
        assert_agree(ring, peer, sample)
        assert ring.has_live_node() == (len(out) < len(set(nodes)))


@pytest.mark.parametrize("nodes", [COLLIDING, COLLIDING[::-1]])
@pytest.mark.parametrize("node", COLLIDING)
def test_a_shared_point_goes_and_comes_back_as_with_qcache_client(
    nodes: tuple[str, str], node: str
) -> None:
    ring, peer = HashRing(nodes), NodeRing(nodes)
    sample = [KEY_AT_COLLISION, *(f"key-{number}" for number in range(500))]
    assert ring.node_for(KEY_AT_COLLISION) == nodes[-1]
    ring.take_out(node)
    peer.remove_node(node)
    assert_agree(ring, peer, sample)
    ring.put_back(node)
    peer.add_node(node)
    assert ring.node_for(KEY_AT_COLLISION) == node
    assert_agree(ring, peer, sample)


@pytest.mark.parametrize("node", COLLIDING)
def test_a_shared_point_goes_with_either_of_its_nodes(node: str) -> None:
    nodes = [*COLLIDING, THIRD]
    ring, peer = HashRing(nodes), NodeRing(nodes)
    assert ring.node_for(KEY_AT_COLLISION) == COLLIDING[1]
    ring.take_out(node)
    peer.remove_node(node)
    assert ring.node_for(KEY_AT_COLLISION) == THIRD
    assert_agree(ring, peer, [f"key-{number}" for number in range(2000)])


@pytest.mark.parametrize("nodes", [["http://a:1"], COLLIDING, ["http://a:1", "http://b:2"]])
def test_no_node_has_a_key_when_all_are_out(nodes: list[str]) -> None:
    ring = HashRing(nodes)
    for node in nodes:
        assert ring.has_live_node()
        ring.take_out(node)
    assert ring.node_for("key") is None
    assert not ring.has_live_node()


def test_taking_a_node_out_moves_no_key_of_the_others() -> None:
    nodes = [f"http://host{number}:9401" for number in range(4)]
    ring = HashRing(nodes)
    keys = [f"key-{number}" for number in range(1000)]
    before = {key: ring.node_for(key) for key in keys}
    ring.take_out(nodes[2])
    after = {key: ring.node_for(key) for key in keys}
    assert nodes[2] in before.values()
    assert all(after[key] == node for key, node in before.items() if node != nodes[2])
    assert nodes[2] not in after.values()


def test_keys_spread_over_all_nodes() -> None:
    nodes = [f"http://host{number}:9401" for number in range(5)]
    ring = HashRing(nodes)
    owners = [ring.node_for(f"key-{number}") for number in range(5000)]
    assert all(owners.count(node) > 500 for node in nodes)


def test_a_ring_needs_a_node() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        HashRing([])
