"""Why a framework gets what it gets, in lines for people: from the rules that said no (`verdicts`).

For operators. One pass over the frameworks and the agents for each role, with pauses.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from fairlead.common.ids import Role
from fairlead.common.resources import NAMES, Resources, counted, said, total
from fairlead.common.roles import lineage
from fairlead.common.values import AgentInfo, Demand

from ..allocation.reservations import idle_reserved
from ..allocation.shares import grains
from ..books import Books
from ..context import Context
from ..entries import Framework
from ..revoking.revocations import living
from .answers import Words
from .turn import open_of, turn
from .verdicts import AWAY, DRAINED, IN_USE, KEPT, MOST_SHOWN, OPEN, TOO_SMALL, Verdicts, look

WORDS = {
    OPEN: "able to serve it now, when its turn comes",
    IN_USE: "too little is free",
    TOO_SMALL: "too small, even if nothing ran there",
    AWAY: "not connected",
    DRAINED: "being drained by an operator",
    KEPT: "what is or becomes free is kept for another framework that has waited for long",
    "constraints": "ruled out by its constraints",
    "gpu agents": "kept for frameworks that use GPUs; others could serve this",
    "keep apart": "somebody is there with whom it may not share an agent",
    "reservations": "what is free is reserved for other roles",
    "quota": "a quota leaves its role too little",
    "guarantees": "what is free has to stay so for the guarantees of other roles",
    "revocation": "what is free was taken back for another framework",
    "minimum offer": "less is free than the smallest offer that it takes, or that may be made",
    "filter": "it has refused what is free there",
}
"""What is the matter with an agent. A rule without words here is named."""
MOST_HOLDERS = 3
MOST_ROLES = 20


def explain_framework(context: Context, framework: Framework, counts: Counter[str]) -> Words:
    """Its first roles; `counts` become the agents that each rule rules out in one of them."""
    info = framework.info
    yield f"framework {info.name} ({info.framework_id}) {presence(context, framework)}"
    if framework.session is not None:
        for role in info.roles[:MOST_ROLES]:
            yield from _role(context, framework, role, counts)
        if len(info.roles) > MOST_ROLES:
            yield f"and {counted(len(info.roles) - MOST_ROLES, 'more role')}"


def presence(context: Context, framework: Framework) -> str:
    if framework.is_ended:
        return "was torn down: it is offered nothing any more"
    if framework.session is not None:
        return "is connected"
    if framework.away_since is None:
        return "has not come yet: it is offered nothing until it does"
    away_s = context.awake - framework.away_since
    left_s = max(0.0, framework.info.failover_timeout_s - away_s)
    return (
        f"has been away for {in_time(away_s)}: it is offered nothing until it is back;"
        f" if it is not within {in_time(left_s)}, its tasks end"
    )


def _role(context: Context, framework: Framework, role: Role, counts: Counter[str]) -> Words:
    books = context.books
    yield f"role {role}: {_share(books, role)}"
    yield from _quotas(books, role)
    yield from _reserved(books, role)
    yield from _own(context, framework, role)
    yield from _revoked(context, framework, role)
    demands = open_of(books, framework, role)
    if role in framework.suppressed:
        yield "  it has suppressed offers: it wants none until it revives the role"
    elif demands == ():
        offered = any(held.offer.role == role for held in framework.offers.values())
        yield (
            "  all that it wants is offered to it now: it is to answer"
            if framework.demands[role] and offered
            else "  it says that it wants nothing"
        )
    else:
        yield from _waiting(context, framework, role, demands, counts)


def _waiting(
    context: Context,
    framework: Framework,
    role: Role,
    demands: Sequence[Demand] | None,
    counts: Counter[str],
) -> Words:
    """It would take more than it is offered."""
    books = context.books
    yield (
        "  it has stated no demand: it is offered what those leave who have"
        if demands is None
        else f"  it wants {wanted(demands)}"
    )
    for want, wait in tuple(framework.waits.items()):  # they change in a pause
        if want.role == role and wait.hold is not None:
            info = books.agents[wait.hold].info
            yield f"  what becomes free on {_name(info)} is kept for its {want.each}"
    yield from turn(context, framework, role)
    verdicts = yield from look(context, (framework, role), demands)
    counts.update({name: n for name, n in verdicts.counts.items() if name != OPEN})
    yield from _agents(context, verdicts, demands)
    if verdicts.counts.get(IN_USE):
        yield from _holders(books)


# --- what is so, whatever the agents say


def _share(books: Books, role: Role) -> str:
    scale, held = books.scale, books.held.get(role)
    weight = grains(books.weights.get(role, 1.0)) / grains(1.0)
    if held is None:
        return f"holds nothing, weight {weight:g}"
    share = f"{100 * scale.share(held):.3g}% of all {scale.dominant(held) or 'resources'}"
    return f"holds {held}, which is {share}; weight {weight:g}"


def _quotas(books: Books, role: Role) -> Iterator[str]:
    for above in lineage(role):
        if (quota := books.quotas.get(above)) is None:
            continue
        held = dict(zip(NAMES, books.held.get(above, Resources()).vector, strict=False))
        for kind, named in (("limited to", quota.limits), ("guaranteed", quota.guarantees)):
            for name, amount in named.items():
                own = said(name, held[name])
                yield f"  {above} is {kind} {said(name, amount)}, and holds {own}"


def _reserved(books: Books, role: Role) -> Iterator[str]:
    if idle := idle_reserved(books, role):
        yield f"  {idle} reserved for it is idle"


def _own(context: Context, framework: Framework, role: Role) -> Iterator[str]:
    tasks = [task for task in framework.tasks.values() if task.role == role and task.held]
    if tasks:
        yield f"  {counted(len(tasks), 'task')} of it: {total(task.held for task in tasks)}"
    offers = [held for held in framework.offers.values() if held.offer.role == role]
    if offers:
        first_s = context.left(min(held.until for held in offers))
        amount = total(held.offer.resources for held in offers)
        yield (
            f"  {counted(len(offers), 'offer')} out to it: {amount};"
            f" the first is taken back in {in_time(first_s)}"
        )
    if not context.settings.believes(framework.refusals):
        refused = counted(framework.refusals, "fitting offer")
        yield f"  it has used none of the last {refused}: its demand counts as none until it does"


def _revoked(context: Context, framework: Framework, role: Role) -> Iterator[str]:
    """What is being taken back for it, and how many tasks from it."""
    books = context.books
    losses = Counter[str]()
    for revocation in tuple(books.revocations.values()):  # they change in a pause
        where = _name(books.agents[revocation.agent_id].info)
        by = f", at the latest in {in_time(context.left(revocation.until))}"
        by = "" if revocation.is_over else by
        if revocation.claim == (framework.framework_id, role):
            yield f"  {revocation.resources} of {where} is being taken back for it{by}"
        own = (task for task in living(books, revocation) if task.role == role)
        losses[where + by] += sum(task.framework_id == framework.framework_id for task in own)
    for when, count in (+losses).items():
        tasks = counted(count, "task")
        yield f"  it has more than its share: what {tasks} of it hold is taken back on {when}"


def wanted(demands: Sequence[Demand]) -> str:
    """The first few kinds of it."""
    shown = [_tasks(demand) for demand in demands[:MOST_SHOWN]]
    shown += [f"{len(demands) - MOST_SHOWN} more kinds"] if len(demands) > MOST_SHOWN else []
    return "; ".join(shown)


def _tasks(demand: Demand) -> str:
    tasks = f"{counted(demand.count, 'task')} of {demand.each}"
    return f"all at once or none, {tasks}" if demand.gang else tasks


# --- what the agents say


def _agents(
    context: Context, verdicts: Verdicts, demands: Sequence[Demand] | None
) -> Iterator[str]:
    if not verdicts.counts:
        yield "  there are no agents"
        return
    if OPEN not in verdicts.counts:
        yield "  no agent can serve it now:"
    for name, count in sorted(verdicts.counts.items(), key=lambda each: -each[1]):
        words = WORDS.get(name, f"ruled out by the rule of {name}")
        if name == "filter" and verdicts.expires_at is not None:
            words += f"; the first comes again in {in_time(verdicts.expires_at - context.now)}"
        yield f"    {counted(count, 'agent')}: {words}"
    for index, demand in enumerate((demands or ())[:MOST_SHOWN]):
        if demand.gang and 0 < verdicts.room.get(index, 0) < demand.count:
            yield f"  together there is room for {verdicts.room[index]} of the {demand.count}"
        elif not verdicts.room.get(index) and (near := verdicts.nearest.get(index)):
            info, lacks = near.agent.info, near.lacks(demand)
            what = f"{lacks} short" if lacks else "no device, or no range of ports, has enough"
            empty = ", even if nothing ran there" if near.is_too_small else ""
            yield f"  {_name(info)} comes nearest to {demand.each}: {what}{empty}"


def _name(info: AgentInfo) -> str:
    return info.name or info.hostname


def _holders(books: Books) -> Iterator[str]:
    """Who has most of what is in use."""
    tops = [role for role in books.held if "/" not in role]
    shares = sorted(((books.scale.share(books.held[role]), role) for role in tops), reverse=True)
    said_of = [f"{role} {100 * share:.3g}%" for share, role in shares[:MOST_HOLDERS] if share]
    if said_of:
        yield f"  most is in use by, or offered to, the roles {', '.join(said_of)}"


def in_time(seconds: float) -> str:
    """`3.2 s`, `45 s`, `12 min`, `3 h`, `364 days`."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
