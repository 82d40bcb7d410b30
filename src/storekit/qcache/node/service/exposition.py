"""Metrics in the text format of Prometheus (version 0.0.4). No I/O."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CONTENT_TYPE", "Family", "Sample", "exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_IN_LABELS = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: its name, type, and help text."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. `suffix` is added to the name of the family, as histograms have it."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


def exposition(families: Iterable[tuple[Family, Iterable[Sample]]]) -> str:
    """Return the text. Families without samples are left out."""
    lines: list[str] = []
    for family, samples in families:
        written = [_line(family, sample) for sample in samples]
        if written:
            lines.append(f"# HELP {family.name} {family.help.translate(_IN_HELP)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += written
    return "\n".join([*lines, ""])


def _line(family: Family, sample: Sample) -> str:
    labels = ",".join(
        f'{name}="{text.translate(_IN_LABELS)}"' for name, text in sample.labels.items()
    )
    labels = f"{{{labels}}}" if labels else ""
    return f"{family.name}{sample.suffix}{labels} {_number(sample.value)}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
