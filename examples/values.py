"""Values of a type of one's own as JSON, and others beside them, compressed or signed.

Run it:  python -m examples.values      (needs: pip install 'storekit[codecs]')
"""

from dataclasses import dataclass

from storekit.codecs import CodecError, Json, Msgpack, Signed, Zstd
from storekit.qdb import Client


@dataclass
class City:
    name: str
    people: int


def main() -> None:
    with Client("embedded:", codec=Json(City)) as client:
        client.put("uppsala", City("Uppsala", 177074))
        city = client.get("uppsala")  # a type checker knows that this is a City
        print(city.name, city.people)

        # Another codec for one call, by name or made for it.
        print(client.get("uppsala", codec="raw"))
        signed = Signed(Zstd(Msgpack(list[str])), keys=[b"a key of 16 bytes or more"])
        client.put("cities", ["Uppsala", "Lund"], codec=signed)
        print(client.get("cities", codec=signed))

        # What is no City is one error, with the name of the codec and the alias.
        client.put("odd", {"name": 1}, codec="json")
        try:
            client.get("odd")
        except CodecError as error:
            print(error.codec, error.key)


if __name__ == "__main__":
    main()
