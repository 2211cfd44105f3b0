"""`fairlead jobs`: training jobs, which share GPUs by slices of time; `submit` has its own module.

Jobs are known to the framework `training`, which is asked; their logs are those of their tasks.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import click

from fairlead.common.errors import ConfigError, NotFoundError
from fairlead.common.jobs import JobsQuery, JobState, JobVerb, JobView, OrderJob

from .client import Client, connected
from .listing import CLEAR, all_option, place_of, watch_option
from .naming import MOST_NAMED
from .options import cluster_options, output_option
from .quantities import TEXT

REFRESH_S = 0.5


@click.group()
def jobs() -> None:
    """Training jobs: programs that share GPUs, a slice of time each."""


class Framework:
    """The framework `training` of one cluster, as its clients see it."""

    def __init__(self, client: Client) -> None:
        from fairlead.frameworks.training import methods

        self.client = client
        self._methods = methods
        self.state = client.state()
        self.address = methods.address_of(self.state.frameworks)

    @property
    def names(self) -> dict[Any, str]:
        """Of agents."""
        return {view.agent.agent_id: view.agent.name for view in self.state.agents}

    def all(self) -> tuple[JobView, ...]:
        return self.client.ask(self.address, self._methods.LIST, JobsQuery()).jobs

    def one(self, job_id: str) -> JobView:
        """All that is known about it."""
        (view,) = self.client.ask(self.address, self._methods.LIST, JobsQuery(job_id)).jobs
        return view

    def find(self, name: str) -> JobView:
        """The one that the name fits: an id, the beginning of one, or the name of one job."""
        return find_job(self.all(), name)

    def order(self, job_id: str, verb: JobVerb) -> JobState:
        return self.client.ask(self.address, self._methods.ORDER, OrderJob(job_id, verb)).state


def find_job(views: Sequence[JobView], name: str) -> JobView:
    """Exactly by its id, else by its name, else by the beginning of its id."""
    exact = [view for view in views if view.job_id == name]
    named = exact or [view for view in views if name and view.name == name]
    found = named or [view for view in views if name and view.job_id.startswith(name)]
    if not found:
        raise NotFoundError(f"there is no job {name!r}", hint="see all: fairlead jobs list --all")
    if len(found) > 1:
        ids = ", ".join(view.job_id for view in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise ConfigError(
            f"{name!r} may be any of {len(found)} jobs: {ids}{more}", hint="write the whole id"
        )
    return found[0]


# --- looking


@jobs.command("list")
@output_option
@watch_option
@all_option
@cluster_options
@click.pass_context
def list_jobs(ctx: click.Context, output: str, watch: bool, ended: bool) -> None:
    """Jobs that have not ended: their progress, slices and places."""
    with connected(place_of(ctx)) as client:
        shown = _print_list(Framework(client), output, ended=ended, is_watched=watch)
        with suppress(KeyboardInterrupt):  # that is how one ends watching
            while watch:
                time.sleep(REFRESH_S)
                framework = Framework(client)
                shown = _print_list(framework, output, ended=ended, last=shown, is_watched=True)


def _print_list(
    framework: Framework, output: str, *, ended: bool, is_watched: bool, last: Any = None
) -> Any:
    """All rows; they are printed unless they are what was printed last."""
    from . import job_views, tables

    rows = job_views.jobs(framework.all(), framework.names, ended=ended)
    if rows == last:
        return rows
    if output == "json":
        print(json.dumps(rows, indent=None if is_watched else 2))
    else:
        if is_watched and sys.stdout.isatty():
            sys.stdout.write(CLEAR)
        empty = "no jobs" if ended else "no jobs; see those that ended with --all"
        tables.print_table(job_views.JOBS, rows, empty, sys.stdout)
    sys.stdout.flush()
    return rows


@jobs.command("show")
@click.argument("job", metavar="JOB", type=TEXT)
@output_option
@cluster_options
@click.pass_context
def show_job(ctx: click.Context, job: str, output: str) -> None:
    """All that is known about a job, each of its copies too."""
    from . import job_views
    from .job_logs import last_words
    from .tables import Column, field, print_fields, print_table

    with connected(place_of(ctx)) as client:
        framework = Framework(client)
        view = framework.one(framework.find(job).job_id)
        shown = job_views.whole_job(view, framework.names)
        words = last_words(framework, view) if output != "json" else []
    if output == "json":
        print(json.dumps(shown, indent=2))
        return
    runs = shown.pop("runs")
    print_fields(shown)
    print()
    columns = (
        Column("RUN", field("run"), is_number=True),
        Column("PLACEMENT", lambda row: job_views.placement({**row, "state": ""})),
        Column("FROM STEP", field("first_step"), is_number=True),
        Column("BEGAN", lambda row: clock(row["began_at"])),
        Column("ENDED", lambda row: clock(row["ended_at"])),
        Column("ENDING", field("ending"), may_wrap=True),
    )
    print_table(columns, runs, "no copy of it has been launched yet", sys.stdout)
    _print_words(words, before="\n")


@jobs.command("why")
@click.argument("job", metavar="JOB", type=TEXT)
@output_option
@cluster_options
@click.pass_context
def why_job(ctx: click.Context, job: str, output: str) -> None:
    """What was decided about a job and why, and what it waits for."""
    from . import job_views
    from .job_logs import last_words
    from .tables import visible

    with connected(place_of(ctx)) as client:
        framework = Framework(client)
        view = framework.one(framework.find(job).job_id)
        shown = job_views.why(view)
        words = last_words(framework, view) if output != "json" else []
    if output == "json":
        print(json.dumps(shown, indent=2))
        return
    for each in shown["decisions"]:
        print(f"{clock(each['at'])}  {visible(each['text'])}")
    now = f"{shown['state']}: {shown['message']}" if shown["message"] else shown["state"]
    print(f"now       {visible(now)}")
    _print_words(words)


def _print_words(words: Sequence[str], before: str = "") -> None:
    """What its program said last."""
    if words:
        print(before + "\n".join(f"stderr    {line}" for line in words))


def clock(wall_time: float | None) -> str:
    """A time of day, here."""
    return time.strftime("%H:%M:%S", time.localtime(wall_time)) if wall_time else ""


@jobs.command("logs")
@click.argument("job", metavar="JOB", type=TEXT)
@click.option("-f", "--follow", is_flag=True, help="Until the job has ended, copy after copy.")
@click.option("--stderr", "is_stderr", is_flag=True, help="What it wrote to stderr.")
@click.option("--run", type=click.IntRange(min=1), help="Of that copy [the last one].")
@cluster_options
@click.pass_context
def job_logs(ctx: click.Context, job: str, follow: bool, is_stderr: bool, run: int | None) -> None:
    """What a job has written; each of its copies has a log of its own."""
    from .job_logs import copy_logs

    stream = "stderr" if is_stderr else "stdout"
    with connected(place_of(ctx)) as client:
        framework = Framework(client)
        view = framework.find(job)
        if not view.run:
            raise NotFoundError(
                f"no copy of {view.job_id} has been launched yet",
                hint=f"see what it waits for: fairlead jobs why {view.job_id}",
            )
        if run is not None and run > view.run:
            raise NotFoundError(
                f"no copy {run} of {view.job_id} has been launched; the last one is {view.run}",
                hint=f"see each of them: fairlead jobs show {view.job_id}",
            )
        copy_logs(framework, view, run or view.run, stream, follow=follow and run is None)


# --- ordering


def _order(ctx: click.Context, names: Iterable[str], verb: JobVerb) -> None:
    with connected(place_of(ctx)) as client:
        framework = Framework(client)
        for name in names:
            view = framework.find(name)
            state = framework.order(view.job_id, verb)
            is_saving = verb is JobVerb.PAUSE and state is not JobState.PAUSED
            what_next = ", and is paused as soon as it has saved" if is_saving else ""
            print(f"{view.job_id} is {state.name}{what_next}")


names_argument = click.argument("names", metavar="JOB…", nargs=-1, required=True, type=TEXT)


@jobs.command()
@names_argument
@cluster_options
@click.pass_context
def pause(ctx: click.Context, names: Sequence[str]) -> None:
    """Take jobs off their devices, until they are resumed; each saves first."""
    _order(ctx, names, JobVerb.PAUSE)


@jobs.command()
@names_argument
@cluster_options
@click.pass_context
def resume(ctx: click.Context, names: Sequence[str]) -> None:
    """Let paused jobs have slices again."""
    _order(ctx, names, JobVerb.RESUME)


@jobs.command()
@names_argument
@cluster_options
@click.pass_context
def cancel(ctx: click.Context, names: Sequence[str]) -> None:
    """End jobs for good. Their checkpoints stay."""
    _order(ctx, names, JobVerb.CANCEL)


def _add_submit() -> None:
    from .submit import submit

    jobs.add_command(submit)


_add_submit()
