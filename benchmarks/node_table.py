"""The tables of the benchmark of nodes, computed without randomness: the same in every run."""

import polars as pl

__all__ = ["SMALL_TABLE", "large_table"]

_COUNTRIES = ("AT", "BE", "CH", "DE", "DK", "EE", "ES", "FI", "FR", "IS", "IT", "NO", "PT", "SE")

SMALL_TABLE = "city,country,people,area\n" + "".join(
    f"city {number},{_COUNTRIES[number % 5]},{number * 7919 % 1000},{number * 1.25}\n"
    for number in range(20)
)


def large_table(rows: int) -> bytes:
    """CSV of 10 columns: integers, floats, text of few and of many values, bools, nulls.

    A million rows are about 100 MB.
    """
    number = pl.int_range(rows, dtype=pl.Int64)
    frame = pl.select(
        row=number,
        quantity=_scattered(number, 1, 1_000),
        shop=_scattered(number, 2, 200),
        price=(_scattered(number, 3, 10_000_000) / 100).round(2),
        measure=(_scattered(number, 4, 2**40) / 2**40 - 0.5) * 1000,
        score=_unless(_scattered(number, 5, 20) == 0, _scattered(number, 6, 100_000) / 1000),
        active=_scattered(number, 7, 3) == 0,
        country=pl.lit(pl.Series(_COUNTRIES)).gather(_scattered(number, 8, len(_COUNTRIES))),
        product=_unless(
            _scattered(number, 9, 50) == 0,
            pl.format("product {}", _scattered(number, 10, 5_000)),
        ),
        customer=pl.format(
            "customer-{}-{}", _scattered(number, 11, 90) + 10, _scattered(number, 12, 10_000_000)
        ),
    )
    return frame.write_csv().encode()


def _scattered(number: pl.Expr, column: int, below: int) -> pl.Expr:
    """Integers from 0 to `below`, exclusive, evenly distributed in a pseudo-random order."""
    mixed = (number + 1) * 0x9E3779B1 + column * 0x85EBCA77
    mixed = ((mixed ^ (mixed // 2**15)) % 2**31) * 0x2C1B3C6D
    mixed = ((mixed ^ (mixed // 2**12)) % 2**31) * 0x297A2D39
    mixed = mixed ^ (mixed // 2**15)
    return (mixed % 2**62) % below


def _unless(missing: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(missing).then(None).otherwise(value)
