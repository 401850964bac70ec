"""Which fields a body of the control API may have, and which it must."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.decoding import unknown_fields


def refuse_unknown(sent: Mapping[str, Any], shape: type[Struct]) -> None:
    """See to it that `sent` has no field that `shape` has not.

    Raises:
        InvalidRequest: it has one; the message names the nearest one that is known.
    """
    for name in unknown_fields(sent, shape):
        known = shape.__struct_encode_fields__
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"Is it '{near[0]}'?" if near else f"There are: {', '.join(known)}."
        raise InvalidRequest(
            f"There is no field '{name}'. {hint}", param=name, code="unknown_parameter"
        )


def one_needed(sent: Mapping[str, Any], names: Sequence[str]) -> None:
    """See to it that `sent` has one of these fields.

    Raises:
        InvalidRequest: it has none.
    """
    if not any(name in sent for name in names):
        raise InvalidRequest(
            f"One of these is needed: {', '.join(names)}.", code="missing_required_parameter"
        )
