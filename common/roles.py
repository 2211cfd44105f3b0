"""Names of roles, which form a tree: `research/vision` is below `research`."""

from functools import lru_cache

from .ids import Role

MAX_ROLE = 128
"""Characters."""


@lru_cache(maxsize=4096)
def lineage(role: Role) -> tuple[Role, ...]:
    """The role itself, its parent, and so on to the top of the tree."""
    parts = role.split("/")
    return tuple(Role("/".join(parts[:count])) for count in range(len(parts), 0, -1))


def is_below(role: Role, ancestor: Role) -> bool:
    """Whether it is that role or one of its descendants."""
    return role == ancestor or role.startswith(f"{ancestor}/")


def bad_role(role: str) -> str:
    """What is wrong with it as a name; empty if nothing is."""
    if not role:
        return "is empty"
    if len(role) > MAX_ROLE:
        return f"has {len(role)} characters; {MAX_ROLE} are allowed"
    for part in role.split("/"):
        if not part:
            return f"{role!r} has an empty part between its slashes"
        if part in (".", "..") or part.startswith("-") or not part.isprintable() or " " in part:
            return f"{role!r} has the part {part!r}, which no role may have"
    return ""
