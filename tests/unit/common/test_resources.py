"""Quantities against the plainest model of them: amounts by name, and a set of ports."""

from collections import Counter

import hypothesis
import hypothesis.strategies as st
import pytest

from fairlead.common.ids import ANY_GPU
from fairlead.common.resources import EMPTY, MILLIS, Resources, total

DEVICES = ("A", "B", "C")


shares = st.dictionaries(st.sampled_from(DEVICES), st.sampled_from((0.25, 0.5, 1)))
ranges = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 3)).map(lambda it: (it[0], sum(it))),
    max_size=3,
)
few = st.integers(0, 3)
quantities = st.builds(Resources.of, cpus=few, mem=few, disk=few, gpus=shares, ports=ranges)
requests = st.builds(
    Resources.of, cpus=few, mem=few, disk=few, gpus=st.sampled_from((0, 0.25, 0.5, 1, 1.5, 2, 3))
)


def model(of: Resources) -> Counter[object]:
    """Each port is one of its kind."""
    counted = Counter[object]()
    counted.update({"cpus": of.cpus, "mem": of.mem, "disk": of.disk})
    for device, millis in of.gpus:
        counted[device] += millis
    counted.update(port for first, last in of.ports for port in range(first, last + 1))
    return +counted


def no_ports(of: Resources) -> Resources:
    return Resources(of.cpus, of.mem, of.disk, of.gpus)


@hypothesis.given(quantities, quantities)
def test_what_is_equal_is_written_alike(a: Resources, b: Resources) -> None:
    assert (a == b) == (model(a) == model(b))
    assert bool(a) == bool(model(a))
    assert hash(a) != hash(b) or a == b


@hypothesis.given(quantities, quantities)
def test_more_and_less_are_those_of_each_amount(a: Resources, b: Resources) -> None:
    """A port is there once, whoever adds it."""
    both = model(a) + model(b)
    assert model(a + b) == Counter(
        {k: min(n, 1) if isinstance(k, int) else n for k, n in both.items()}
    )
    assert model(a.without(b)) == model(a) - model(b)
    assert a.without(b).without(a) == EMPTY
    apart = b.without(Resources(ports=a.ports))
    assert (a + apart) - apart == a
    assert total((a, b)) == a + b == b + a


@hypothesis.given(quantities, quantities)
def test_what_is_contained_can_be_taken_and_nothing_else(a: Resources, b: Resources) -> None:
    is_there = not model(b) - model(a)
    assert a.contains(b) == is_there
    if is_there:
        assert a - b == a.without(b)
        assert a.pick(b) == b
    else:
        assert a.pick(b) is None
        with pytest.raises(ValueError, match="is not contained in"):
            _ = a - b


@hypothesis.given(quantities, quantities)
def test_covering_asks_for_amounts_alone(a: Resources, b: Resources) -> None:
    pairs = zip(a.vector, b.vector, strict=True)
    assert a.covers(b) == all(mine >= theirs for mine, theirs in pairs)
    assert not a.contains(no_ports(b)) or a.covers(no_ports(b))


@hypothesis.given(quantities, requests)
def test_any_device_is_whole_ones_and_for_a_part_the_fullest_that_will_do(
    have: Resources, want: Resources
) -> None:
    left = sorted((millis for _, millis in have.gpus), reverse=True)
    whole, fraction = divmod(want.gpu_millis, MILLIS)
    is_there = have.covers(no_ports(Resources(want.cpus, want.mem, want.disk)))
    is_there = is_there and left[:whole] == [MILLIS] * whole
    parts = [millis for millis in left[whole:] if millis >= fraction]
    is_there = is_there and (not fraction or bool(parts))
    picked = have.pick(want)
    assert (picked is not None) == have.contains(want) == is_there
    if picked is not None:
        assert picked.vector == want.vector
        assert ANY_GPU not in dict(picked.gpus)
        rest = sorted((millis for _, millis in (have - picked).gpus), reverse=True)
        expected = left[whole:]
        if fraction:
            expected.remove(min(parts))
            expected += [min(parts) - fraction]
        assert rest == sorted(filter(None, expected), reverse=True)
        assert have - want == have - picked
