"""What is recorded of QuasarDB holds for the clients, in the documented contract."""

import datetime

import pytest

from storekit.errors import StoreKitError
from storekit.qdb import AsyncClient, AsyncRawClient, AsyncRawForwardIterator, BufferTooSmall
from tests.qdb.contract import ClientComparison, missing, recorded
from tests.qdb.semantics import content, plain

RECORDED = [
    pytest.param(
        sequence,
        id=sequence["id"],
        marks=pytest.mark.skip(reason=f"clients have no {lacks}") if lacks else (),
    )
    for sequence in recorded()
    for lacks in [missing(sequence)]
]
CHUNK = 3  # entries: small, so that iteration goes over several chunks


class Run(ClientComparison):
    """Sequences through a client."""

    def __init__(self, client, clock):
        super().__init__(clock)
        self.client = client
        self.iterators = {}

    async def sequence(self, sequence):
        for number, step in enumerate(sequence["steps"]):
            actual = await self.step(step["op"], step.get("args", {}))
            problem = self.disagreement(sequence, number, actual)
            assert problem is None, problem

    async def step(self, op, args):
        try:
            return {"error": "ok", **((await getattr(self, f"op_{op}")(args)) or {})}
        except (StoreKitError, ValueError) as error:
            return self.failed(error)

    # Values

    async def op_put(self, args):
        put = self.of_type(args, "put")
        await put(plain(args["alias"]), self.value(args), self.expiry(args))

    async def op_update(self, args):
        update = self.of_type(args, "update")
        await update(plain(args["alias"]), self.value(args), self.expiry(args))

    async def op_get(self, args):
        get = self.of_type(args, "get")
        return {"content": await get(plain(args["alias"]))}

    async def op_add(self, args):
        return {"value": await self.of_type(args, "add")(plain(args["alias"]), args["value"])}

    async def op_get_update(self, args):
        alias, value = plain(args["alias"]), self.value(args)
        return {"content": await self.of_type(args, "get_update")(alias, value, self.expiry(args))}

    async def op_get_remove(self, args):
        return {"content": await self.of_type(args, "get_remove")(plain(args["alias"]))}

    async def op_cas(self, args):
        alias, value, comparand = plain(args["alias"]), self.value(args), plain(args["comparand"])
        swap = self.of_type(args, "compare_and_swap")
        original = await swap(alias, value, comparand, self.expiry(args))
        return {"content": original}

    async def op_remove_if(self, args):
        await self.of_type(args, "remove_if")(plain(args["alias"]), plain(args["comparand"]))

    async def op_get_noalloc(self, args):
        buffer = bytearray(args["size"])
        try:
            size = await self.client.get_into(plain(args["alias"]), buffer)
        except BufferTooSmall as error:
            return {**self.failed(error), "length": error.size}
        return {"content": bytes(buffer[:size]), "length": size}

    def of_type(self, args, name):
        kind = args.get("type", "blob").removesuffix("eger")
        return getattr(self.client, name if kind == "blob" else f"{kind}_{name}")

    def value(self, args):
        return plain(args.get("content", args.get("value")))

    # Entries

    async def op_remove(self, args):
        await self.client.remove(plain(args["alias"]))

    async def op_expires_at(self, args):
        await self.client.expires_at(plain(args["alias"]), self.expiry(args))

    async def op_expires_from_now(self, args):
        delta = datetime.timedelta(milliseconds=args["delta_ms"])
        await self.client.expires_from_now(plain(args["alias"]), delta)

    async def op_get_expiry(self, args):
        expiry = await self.client.get_expiry_time(plain(args["alias"]))
        return {"expiry": self.milliseconds(expiry)}

    async def op_get_type(self, args):
        return {"type": (await self.client.get_metadata(plain(args["alias"]))).type.name.lower()}

    async def op_get_metadata(self, args):
        known = await self.client.get_metadata(plain(args["alias"]))
        return {
            "type": known.type.name.lower(),
            "size": known.size,
            "expiry": self.milliseconds(known.expiry),
        }

    async def op_purge_all(self, args):
        timeout = args.get("timeout_ms", 60_000) / 1000
        await self.client.with_timeout(timeout).remove_all()

    async def op_sleep(self, args):
        self.clock.sleep(args["ms"])

    # Finding

    async def op_prefix_get(self, args):
        return {"aliases": await self.client.prefix_get(plain(args["prefix"]), args["max_count"])}

    async def op_suffix_get(self, args):
        return {"aliases": await self.client.suffix_get(plain(args["suffix"]), args["max_count"])}

    async def op_blob_scan(self, args):
        found = await self.client.blob_scan(content(args["pattern"]), args["max_count"])
        return {"aliases": found}

    async def op_blob_scan_regex(self, args):
        found = await self.client.blob_scan_regex(plain(args["pattern"]), args["max_count"])
        return {"aliases": found}

    async def op_suffix_count(self, args):
        return {"count": await self.client.suffix_count(plain(args["suffix"]))}

    async def op_prefix_count(self, args):
        return {"count": await self.client.prefix_count(plain(args["prefix"]))}

    async def op_iterate(self, args):
        seen = []
        async for entry in self.client:
            seen += [entry]
        return self.entries(seen)

    async def op_iter_open(self, args):
        self.iterators[args["it"]] = AsyncRawForwardIterator(self.client, CHUNK), []

    async def op_iter_next(self, args):
        iterator, seen = self.iterators[args["it"]]
        for _ in range(args.get("n", 1)):
            try:
                seen.append(await anext(iterator))
            except StopAsyncIteration:
                return {"error": "iterator_end", **self.entries(seen)}
        return self.entries(seen)

    async def op_iter_drain(self, args):
        iterator, seen = self.iterators[args["it"]]
        async for entry in iterator:
            seen.append(entry)
        return self.entries(seen)

    # Tags

    async def op_attach_tag(self, args):
        await self.client.attach_tag(plain(args["alias"]), plain(args["tag"]))

    async def op_detach_tag(self, args):
        await self.client.detach_tag(plain(args["alias"]), plain(args["tag"]))

    async def op_has_tag(self, args):
        known = await self.client.has_tag(plain(args["alias"]), plain(args["tag"]))
        return {} if known else {"error": "tag_not_set"}

    async def op_get_tags(self, args):
        return {"tags": await self.client.get_tags(plain(args["alias"]))}

    async def op_get_tagged(self, args):
        return {"aliases": await self.client.get_tagged(plain(args["tag"]))}

    async def op_get_tagged_count(self, args):
        return {"count": await self.client.get_tagged_count(plain(args["tag"]))}

    # Batches

    async def op_run_batch(self, args):
        requests = [self.request(one) for one in args["ops"]]
        successes, results = await self.client.run_batch(requests)
        return {"successes": successes, "results": self.results(results)}

    async def op_run_transaction(self, args):
        requests = [self.request(one) for one in args["ops"]]
        results = await self.client.run_transaction(requests)
        return {"successes": len(results), "results": self.results(results)}


@pytest.mark.skipif(not RECORDED, reason="the recorded sequences are not here")
@pytest.mark.parametrize("sequence", RECORDED)
async def test_recorded_sequence(sequence, timed_store):
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await Run(client, timed_store.clock).sequence(sequence)


def about_blobs(sequence):
    """Tell whether a sequence is the same for content that is pickled."""
    steps = sequence["steps"]
    return not any(
        step["op"] in ("get_noalloc", "blob_scan", "blob_scan_regex")
        or "size" in step.get("expect", {})
        or "hex" in str(step.get("args", {}).get("alias"))
        for step in steps
    )


@pytest.mark.skipif(not RECORDED, reason="the recorded sequences are not here")
@pytest.mark.parametrize("sequence", [one for one in RECORDED if about_blobs(one.values[0])])
async def test_recorded_sequence_with_pickled_values(sequence, timed_store):
    async with AsyncClient(timed_store.place, **timed_store.options) as client:
        await Run(client, timed_store.clock).sequence(sequence)
