"""The launcher: forks the tasks of one agent, outlives it, and knows how each of them ended.

This folder is run (`python -I -S …/launcher WORK_DIR`, by `launcher_client.start_launcher`), never
loaded by a daemon but for `tree`, `cgroup` and `endings`. It imports nothing else of Fairlead and
little of Python, because a lean process forks three times faster than one that has loaded grpc. It
decides nothing.

It listens on `launcher.sock` in the work directory, and speaks lines of JSON:

    {"id": 1, "op": "start", "uuid": …, "argv": […], "env": {…}, "cwd": …, "stdout": …, "stderr": …}
    {…, "groups": {"memory": DIRECTORY, …}, "limits": [[FILE, VALUE], …]}, if it is to have any
    {"id": 1, "ok": {"uuid": …, "pid": 4711, "start_time": 123456, "boot_id": …, …}}
    {"id": 2, "op": "start", …}
    {"id": 2, "error": {"step": "exec", "errno": 2, "message": "No such file or directory"}}
    {"id": 3, "op": "signal", "uuid": …, "signal": 15}
    {"id": 3, "ok": {"found": true}}
    {"exit": {"uuid": …, "pid": 4711, "code": 7, "signal": null, …}}

Ops: ping, start, signal, destroy, list, forget, shutdown. Starting is idempotent by uuid. Every
start is in the file `starts` and every exit in the file `exits` before anyone is told, so that the
next launcher, if this one is killed, can list what was `"lost": true` with it.

It is a child subreaper: what a task leaves behind comes to it, and is killed unless the task that
it belongs to still runs. That is told by a mark in the environment, else by the session; who wipes
the mark and leaves the session lives until no task runs at all. With control groups nobody escapes,
and an exit is told when its groups are empty.
"""

VERSION = 2
"""Of what is said on the socket."""

ALREADY_RUNNING = 3
"""Exit status of a second launcher in the same directory."""

MARK = "FAIRLEAD_LAUNCH_UUID"
"""Environment variable of every task: which launch it is."""

MARK_DIRECTORY = "FAIRLEAD_LAUNCHER_DIR"
"""Environment variable of every task: whose launcher forked it."""
