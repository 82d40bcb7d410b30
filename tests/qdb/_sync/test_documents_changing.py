# Generated from tests/qdb/_async/test_documents_changing.py by tools/generate_sync.py; do not edit.

"""Documents that are uploaded or removed while somebody else does so."""

import io
import itertools
from contextlib import closing

import pytest

from storekit import qdb
from storekit.options import RetryPolicy
from storekit.qdb import DocumentConflict, DocumentIncomplete, RawClient
from storekit.qdb.errors import ErrorCode, error_for
from tests.qdb._sync.changing import (
    KEY,
    OURS,
    SLICE,
    SOON,
    THEIRS,
    BreaksOff,
    Broken,
    downloaded,
    uploaded,
)
from tests.support.qdb_spy import spy_on


def break_off(client, content=OURS, slices=4, **options):
    with pytest.raises(Broken):
        client.upload(
            BreaksOff(content, slices * SLICE), KEY, slice_size=SLICE, in_flight=1, **options
        )


def interrupted(meanwhile, content=OURS):
    """Content in slices; between the third and the fourth, something else is done."""

    def pieces():
        for number, start in enumerate(range(0, len(content), SLICE)):
            if number == 3:
                meanwhile()
            yield content[start : start + SLICE]

    return pieces()


def aliases_of(client):
    return [alias.removeprefix(KEY.hex) for alias in client.prefix_get(KEY.hex)]


def test_second_upload_of_a_key_is_refused_while_the_first_is_under_way(store):
    with RawClient(store.place) as client:

        def upload_too():
            with pytest.raises(DocumentConflict, match=r"resume=True.*remove the document"):
                uploaded(client, THEIRS)

        client.upload(interrupted(upload_too), KEY, slice_size=SLICE, in_flight=1)
        assert downloaded(client) == OURS


def test_upload_that_was_taken_over_fails_and_leaves_the_other_ones_document_whole(store):
    with RawClient(store.place) as client:

        def take_over():
            uploaded(client, THEIRS, resume=True)

        with closing(interrupted(take_over)) as pieces:
            with pytest.raises(DocumentConflict, match="has taken over"):
                client.upload(pieces, KEY, slice_size=SLICE, in_flight=1)
        assert downloaded(client) == THEIRS
        uploaded(client, OURS)
        assert downloaded(client) == OURS


def test_upload_whose_document_is_removed_meanwhile_fails_and_leaves_nothing(store):
    with RawClient(store.place) as client:

        def remove():
            client.remove_document(KEY)

        with closing(interrupted(remove)) as pieces:
            with pytest.raises(DocumentConflict, match="has taken over"):
                client.upload(pieces, KEY, slice_size=SLICE, in_flight=1)
        assert client.prefix_get(KEY.hex) == []


def test_upload_that_lost_its_document_before_the_end_does_not_make_it_whole(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:

        def take_over(call):
            if call.name == "run_transaction":
                spy.before = lambda call: None
                source, options = BreaksOff(THEIRS, 4 * SLICE), {"slice_size": SLICE}
                with qdb.RawClient(store.place) as other, pytest.raises(Broken):
                    other.upload(source, KEY, in_flight=1, resume=True, **options)

        spy.before = take_over
        with pytest.raises(DocumentConflict):
            uploaded(client, OURS)
        with pytest.raises(DocumentIncomplete):
            downloaded(client)
        assert ".json" not in aliases_of(client)


def test_wrong_source_or_one_that_fails_at_once_takes_no_document(store):
    with RawClient(store.place) as client:
        uploaded(client, OURS)
        for source in (io.StringIO("text"), BreaksOff(b"", 0), [1]):
            with pytest.raises((TypeError, Broken)):
                client.upload(source, KEY, slice_size=SLICE)
        assert downloaded(client) == OURS


def test_upload_that_was_broken_off_is_resumed_or_removed_before_another(store):
    with RawClient(store.place) as client:
        break_off(client)
        with pytest.raises(DocumentConflict):
            uploaded(client, THEIRS)
        client.remove_document(KEY)
        assert aliases_of(client) == []
        uploaded(client, THEIRS)
        assert downloaded(client) == THEIRS


def test_resumed_upload_stores_only_what_is_not_there(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        break_off(client)
        spy.calls.clear()
        uploaded(client, OURS, resume=True)
        numbers = {alias.removeprefix(KEY.hex) for alias, _ in spy.written()}
        assert "0" not in numbers
        assert {"4", "5"} <= numbers
        assert downloaded(client) == OURS
        assert aliases_of(client) == [".json", *"012345"]


@pytest.mark.parametrize("resume", [False, True])
def test_damaged_document_is_mended_by_uploading_it_again(store, resume):
    with RawClient(store.place) as client:
        uploaded(client, OURS)
        client.update(KEY.hex + "2", b"x" * SLICE)
        uploaded(client, OURS, resume=resume)
        assert downloaded(client) == OURS


def test_slices_of_an_upload_that_was_taken_over_are_not_trusted(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:

        def take_over(call):
            if call.written() and call.written()[0][0] == KEY.hex + "1":
                spy.before = lambda call: None
                source, options = BreaksOff(THEIRS, 4 * SLICE), {"slice_size": SLICE}
                with qdb.RawClient(store.place) as other, pytest.raises(Broken):
                    other.upload(source, KEY, in_flight=1, resume=True, **options)

        spy.before = take_over
        with pytest.raises(DocumentConflict):  # and slice 1 has arrived meanwhile
            uploaded(client, b"w" * len(OURS), in_flight=1)
        uploaded(client, THEIRS, resume=True)
        assert downloaded(client) == THEIRS


def test_upload_that_comes_after_a_removal_leaves_no_slices(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:

        def remove(call):
            if call.written() and call.written()[0][0] == KEY.hex + "0":
                spy.before = lambda call: None
                with qdb.RawClient(store.place) as other:
                    other.remove_document(KEY)

        spy.before = remove
        with pytest.raises(DocumentConflict):
            uploaded(client, OURS, in_flight=1)
        assert client.prefix_get(KEY.hex) == []


def test_upload_that_was_taken_over_stores_nothing_more(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:

        def take_over(done, total):
            if done > 64:
                return
            spy.calls.clear()
            with qdb.RawClient(store.place) as other:
                other.upload(io.BytesIO(THEIRS), KEY, resume=True)

        small = {"slice_size": 64, "in_flight": 1}  # too small to be noted in the draft
        with pytest.raises(DocumentConflict):
            client.upload(io.BytesIO(OURS[:640]), KEY, progress=take_over, **small)
        assert spy.written() == []
        assert downloaded(client) == THEIRS


def test_resumed_upload_of_other_content_stores_that(store):
    with RawClient(store.place) as client:
        break_off(client)
        uploaded(client, b"x" * len(OURS), resume=True)
        assert downloaded(client) == b"x" * len(OURS)


def test_upload_that_breaks_off_while_it_notes_what_is_stored_can_be_resumed(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        lists = []

        def fail(call):
            lists.extend(alias for alias, _ in call.written() if alias.endswith(".sha256"))
            if len(lists) == 2:
                raise Broken

        spy.before = fail
        with pytest.raises(Broken):
            uploaded(client, OURS, in_flight=1)
        spy.before = lambda call: None
        spy.calls.clear()
        uploaded(client, OURS, resume=True)
        assert KEY.hex + "0" not in {alias for alias, _ in spy.written()}
        assert downloaded(client) == OURS


def test_slice_that_comes_during_a_removal_goes_with_it(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        uploaded(client, OURS)

        def arrive(call):
            if call.name == "run_batch" and call.arguments[0][0].alias == KEY.hex + "0":
                spy.before = lambda call: None
                with qdb.RawClient(store.place) as other:
                    other.put(KEY.hex + "9", b"late")

        spy.before = arrive
        client.remove_document(KEY)
        assert client.prefix_get(KEY.hex) == []


def test_list_that_the_draft_does_not_vouch_for_is_not_trusted(store):
    with RawClient(store.place) as client:
        break_off(client)
        client.update(KEY.hex + "0", b"x" * SLICE)
        listed = client.get(KEY.hex + ".sha256")
        client.update(KEY.hex + ".sha256", listed[:32])
        uploaded(client, OURS, resume=True)
        assert downloaded(client) == OURS


@pytest.mark.parametrize("draft", [b"", b"[1]", b"[" * 100_000, b'{"version":1,"slice_size":10}'])
def test_draft_that_cant_be_read_is_taken_over(store, draft):
    with RawClient(store.place) as client:
        client.put(KEY.hex + ".part", draft)
        with pytest.raises(DocumentConflict):
            uploaded(client, OURS)
        uploaded(client, OURS, resume=True)
        assert downloaded(client) == OURS


def test_draft_that_stayed_behind_a_whole_document_is_in_nobodys_way(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:

        def fail(call):
            if call.name == "blob_remove_if":
                spy.before = lambda call: None
                raise Broken

        spy.before = fail
        with pytest.raises(Broken):
            uploaded(client, OURS)
        assert downloaded(client) == OURS
        uploaded(client, THEIRS)
        assert downloaded(client) == THEIRS
        assert aliases_of(client) == [".json", *"012345"]


def test_calls_whose_answer_got_lost_are_repeated_without_harm(store):
    policy = RetryPolicy(attempts=2, initial_backoff=0, max_backoff=0, budget=1000)
    with RawClient(store.place) as keeps_the_store:
        for number in itertools.count():
            spy = spy_on(store)
            made = []

            def lose_answer(call, made=made, number=number):
                made.append(call)
                if len(made) == number + 1:
                    raise error_for(ErrorCode.CONNECTION_RESET)

            with RawClient(store.place, engine=spy, retry=policy) as client:
                spy.after = lose_answer
                uploaded(client, OURS, in_flight=1)
                client.remove_document(KEY)
                spy.after = lambda call: None
                assert aliases_of(keeps_the_store) == []
            if len(made) <= number:
                break
        assert number > 20


def test_resumed_upload_gives_its_time_of_expiry_to_all_slices(timed_store):
    clock = timed_store.clock
    with RawClient(timed_store.place, **timed_store.options) as client:
        for expiry in (SOON, None):
            break_off(client, expiry_time=SOON)
            clock.sleep(30_000)
            uploaded(client, OURS, resume=True, expiry_time=expiry)
            clock.sleep(40_000)
            assert downloaded(client) == OURS
            client.remove_document(KEY)


def test_slices_that_are_gone_are_stored_again(store):
    with RawClient(store.place) as client:
        break_off(client)
        client.remove(KEY.hex + "1")
        uploaded(client, OURS, resume=True)
        assert downloaded(client) == OURS


@pytest.mark.parametrize("size", [64, 2048, 4096])
def test_drafts_are_a_small_part_of_what_is_written(store, size):
    spy = spy_on(store)
    content = b"x" * (size * 400)
    with RawClient(store.place, engine=spy) as client:
        client.upload(io.BytesIO(content), KEY, slice_size=size)
        written = [
            len(content) for alias, content in spy.written() if alias.endswith((".part", ".sha256"))
        ]
        assert sum(written) < 2000 + 0.05 * len(content)


def test_drafts_of_large_slices_miss_little(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        content, size = b"x" * 6_400_000, 64_000
        with pytest.raises(Broken):
            client.upload(BreaksOff(content, 95 * size), KEY, slice_size=size)
        spy.calls.clear()
        client.upload(io.BytesIO(content), KEY, slice_size=size, resume=True)
        again = [alias for alias, content in spy.written() if len(content) == size]
        assert len(again) <= 12
