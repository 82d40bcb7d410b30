"""Tables that live in QuasarDB and are queried in QCache, which gets them when asked.

Run it:  python -m examples.read_through      (needs: pip install 'storekit[embedded]')
"""

import polars as pl

from storekit import StoreKit

ORDERS = pl.DataFrame(
    {"order": ["0017", "0018", "0021"], "item": ["nail", "saw", "nail"], "n": [500, 1, 80]}
)
SOLD = {"select": ["item", ["sum", "n"]], "group_by": ["item"], "order_by": ["item"]}


def main() -> None:
    with StoreKit() as kit:  # embedded stores, unless settings say otherwise
        kit.put_table("orders", ORDERS)
        print(kit.query("orders", SOLD).json())  # QCache did not have it, and has it now

        kit.put_table("orders", ORDERS.filter(pl.col("item") == "nail"))
        print(kit.query("orders", SOLD).json())


if __name__ == "__main__":
    main()
