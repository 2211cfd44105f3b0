from fairlead.protos import tasks_pb2 as _tasks_pb2
from fairlead.protos import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_STARTING: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUSPENDED: _ClassVar[JobState]
    JOB_STATE_MIGRATING: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
    JOB_STATE_CANCELLING: _ClassVar[JobState]
    JOB_STATE_FINISHED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class JobVerb(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_VERB_UNSPECIFIED: _ClassVar[JobVerb]
    JOB_VERB_PAUSE: _ClassVar[JobVerb]
    JOB_VERB_RESUME: _ClassVar[JobVerb]
    JOB_VERB_CANCEL: _ClassVar[JobVerb]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_STARTING: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUSPENDED: JobState
JOB_STATE_MIGRATING: JobState
JOB_STATE_PAUSED: JobState
JOB_STATE_CANCELLING: JobState
JOB_STATE_FINISHED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
JOB_VERB_UNSPECIFIED: JobVerb
JOB_VERB_PAUSE: JobVerb
JOB_VERB_RESUME: JobVerb
JOB_VERB_CANCEL: JobVerb

class SubmitJob(_message.Message):
    __slots__ = ("task", "weight", "checkpoints", "max_restarts")
    TASK_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    task: _tasks_pb2.TaskInfo
    weight: float
    checkpoints: str
    max_restarts: int
    def __init__(self, task: _Optional[_Union[_tasks_pb2.TaskInfo, _Mapping]] = ..., weight: _Optional[float] = ..., checkpoints: _Optional[str] = ..., max_restarts: _Optional[int] = ...) -> None: ...

class JobSubmitted(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobsQuery(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobsReply(_message.Message):
    __slots__ = ("jobs", "slice_s")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    SLICE_S_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobView]
    slice_s: float
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobView, _Mapping]]] = ..., slice_s: _Optional[float] = ...) -> None: ...

class OrderJob(_message.Message):
    __slots__ = ("job_id", "verb")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    verb: JobVerb
    def __init__(self, job_id: _Optional[str] = ..., verb: _Optional[_Union[JobVerb, str]] = ...) -> None: ...

class JobOrdered(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: JobState
    def __init__(self, state: _Optional[_Union[JobState, str]] = ...) -> None: ...

class JobProgress(_message.Message):
    __slots__ = ("run", "step", "steps", "epoch", "loss", "metrics", "rate", "gpu_memory_bytes", "switch_s", "wall_time", "checkpoint_step", "trouble")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SWITCH_S_FIELD_NUMBER: _ClassVar[int]
    WALL_TIME_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_STEP_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    run: int
    step: int
    steps: int
    epoch: int
    loss: float
    metrics: _containers.ScalarMap[str, float]
    rate: float
    gpu_memory_bytes: int
    switch_s: float
    wall_time: float
    checkpoint_step: int
    trouble: str
    def __init__(self, run: _Optional[int] = ..., step: _Optional[int] = ..., steps: _Optional[int] = ..., epoch: _Optional[int] = ..., loss: _Optional[float] = ..., metrics: _Optional[_Mapping[str, float]] = ..., rate: _Optional[float] = ..., gpu_memory_bytes: _Optional[int] = ..., switch_s: _Optional[float] = ..., wall_time: _Optional[float] = ..., checkpoint_step: _Optional[int] = ..., trouble: _Optional[str] = ...) -> None: ...

class JobRun(_message.Message):
    __slots__ = ("run", "task_id", "agent_id", "gpu_ids", "began_at", "ended_at", "ending", "first_step", "rate", "gpu_memory_bytes")
    RUN_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GPU_IDS_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    run: int
    task_id: str
    agent_id: str
    gpu_ids: _containers.RepeatedScalarFieldContainer[str]
    began_at: float
    ended_at: float
    ending: str
    first_step: int
    rate: float
    gpu_memory_bytes: int
    def __init__(self, run: _Optional[int] = ..., task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., gpu_ids: _Optional[_Iterable[str]] = ..., began_at: _Optional[float] = ..., ended_at: _Optional[float] = ..., ending: _Optional[str] = ..., first_step: _Optional[int] = ..., rate: _Optional[float] = ..., gpu_memory_bytes: _Optional[int] = ...) -> None: ...

class JobDecision(_message.Message):
    __slots__ = ("at", "text")
    AT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    at: float
    text: str
    def __init__(self, at: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class JobView(_message.Message):
    __slots__ = ("job_id", "name", "state", "message", "resources", "weight", "priority", "progress", "run", "task_id", "agent_id", "gpu_ids", "slices", "gpu_time_s", "migrations", "submitted_at", "ended_at", "directory", "command", "runs", "decisions", "framework_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GPU_IDS_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    GPU_TIME_S_FIELD_NUMBER: _ClassVar[int]
    MIGRATIONS_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    state: JobState
    message: str
    resources: _resources_pb2.Resources
    weight: float
    priority: int
    progress: JobProgress
    run: int
    task_id: str
    agent_id: str
    gpu_ids: _containers.RepeatedScalarFieldContainer[str]
    slices: int
    gpu_time_s: float
    migrations: int
    submitted_at: float
    ended_at: float
    directory: str
    command: _tasks_pb2.Command
    runs: _containers.RepeatedCompositeFieldContainer[JobRun]
    decisions: _containers.RepeatedCompositeFieldContainer[JobDecision]
    framework_id: str
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., message: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., weight: _Optional[float] = ..., priority: _Optional[int] = ..., progress: _Optional[_Union[JobProgress, _Mapping]] = ..., run: _Optional[int] = ..., task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., gpu_ids: _Optional[_Iterable[str]] = ..., slices: _Optional[int] = ..., gpu_time_s: _Optional[float] = ..., migrations: _Optional[int] = ..., submitted_at: _Optional[float] = ..., ended_at: _Optional[float] = ..., directory: _Optional[str] = ..., command: _Optional[_Union[_tasks_pb2.Command, _Mapping]] = ..., runs: _Optional[_Iterable[_Union[JobRun, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[JobDecision, _Mapping]]] = ..., framework_id: _Optional[str] = ...) -> None: ...

class JobRecord(_message.Message):
    __slots__ = ("number", "submitted", "view", "verb", "launch_uuid", "hostname", "agent_name", "affinity", "gave_cpus", "is_stuck", "restarts", "losses", "ending")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_NAME_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    GAVE_CPUS_FIELD_NUMBER: _ClassVar[int]
    IS_STUCK_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    number: int
    submitted: SubmitJob
    view: JobView
    verb: JobVerb
    launch_uuid: str
    hostname: str
    agent_name: str
    affinity: int
    gave_cpus: bool
    is_stuck: bool
    restarts: int
    losses: int
    ending: str
    def __init__(self, number: _Optional[int] = ..., submitted: _Optional[_Union[SubmitJob, _Mapping]] = ..., view: _Optional[_Union[JobView, _Mapping]] = ..., verb: _Optional[_Union[JobVerb, str]] = ..., launch_uuid: _Optional[str] = ..., hostname: _Optional[str] = ..., agent_name: _Optional[str] = ..., affinity: _Optional[int] = ..., gave_cpus: _Optional[bool] = ..., is_stuck: _Optional[bool] = ..., restarts: _Optional[int] = ..., losses: _Optional[int] = ..., ending: _Optional[str] = ...) -> None: ...
