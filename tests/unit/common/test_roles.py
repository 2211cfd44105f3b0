"""Names of roles form a tree."""

import pytest

from fairlead.common.ids import Role
from fairlead.common.roles import bad_role, is_below, lineage


def test_a_role_is_below_its_parents() -> None:
    assert lineage(Role("a/b/c")) == ("a/b/c", "a/b", "a")
    assert is_below(Role("a/b"), Role("a"))
    assert is_below(Role("a"), Role("a"))
    assert not is_below(Role("ab"), Role("a"))
    assert not is_below(Role("a"), Role("a/b"))


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", "-a", "a b", "a\0", "x" * 129]
)
def test_what_no_role_is_called(name: str) -> None:
    assert bad_role(name)


@pytest.mark.parametrize("name", ["default", "a/b/c", "größe", "a.b-c_d"])
def test_what_a_role_may_be_called(name: str) -> None:
    assert not bad_role(name)
