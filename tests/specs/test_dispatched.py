"""The generated network makes the aten calls that the network written by hand makes, and no others."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from .dispatched import OTHERS, SHOWN, Twin, calls, extra


def both(twin: Twin) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Of the generated network and of the one by hand; on the meta device, where the same is dispatched and nothing computed."""
    with torch.device("meta"):
        given = [tensor.to("meta") for tensor in twin.inputs()]
        return calls(twin.generated(), given), calls(twin.by_hand(), given)


@pytest.mark.parametrize("twin", SHOWN, ids=lambda twin: twin.spec)
def test_the_same_calls_one_for_one(twin: Twin) -> None:
    ours, theirs = both(twin)
    assert ours == theirs


@pytest.mark.parametrize("twin", OTHERS, ids=lambda twin: twin.spec)
def test_no_call_that_is_not_explained(twin: Twin) -> None:
    ours, theirs = both(twin)
    more = [extra(ours[mode], theirs[mode]) for mode in ours]
    assert {call for found in more for call in found} == twin.explained.keys()
