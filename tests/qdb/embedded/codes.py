"""How the tests of the embedded engine look at errors."""

from __future__ import annotations

import pytest

from storekit.qdb.errors import ErrorCode, QuasardbException


def code_of(call, *arguments) -> ErrorCode:
    with pytest.raises(QuasardbException) as caught:
        call(*arguments)
    return ErrorCode(caught.value.error_code)
