"""The size of a worker as people write it."""

from typing import Any

import pytest

from fairlead.common.errors import ConfigError
from fairlead.frameworks.batch.sizes import size_from_fields, size_of, size_to_fields


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((1, "900TB", 0), "mem='900TB' is not a number of bytes that a worker could have"),
        ((1, -1, 0), "mem=-1 is not a number of bytes"),
        ((1, 2**63, 0), "is not a number of bytes"),
        ((float("nan"), 1, 0), "cpus=nan is not a number of cpus"),
        ((float("inf"), 1, 0), "cpus=inf"),
        ((True, 1, 0), "cpus=True"),
        ((1, 1, None), "gpus=None is not a number of gpus"),
        ((1, 1, "two"), "gpus='two'"),
    ],
)
def test_nonsense_is_refused_in_a_line(size: tuple[Any, Any, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        size_of(*size)
    assert "for example" in caught.value.hint


def test_a_size_travels() -> None:
    size = size_of(0.5, 2**30, 1)
    assert (size.cpus, size.mem, size.gpu_millis) == (500, 2**30, 1000)
    assert size_from_fields(size_to_fields(size)) == size
