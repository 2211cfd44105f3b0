"""What the hook does for programs that use PyTorch: their generators, and their devices at rest.

It is imported when the program has imported torch, and by nobody else. At rest the memory of every
tensor on a device moves to the host and comes back to the same tensor objects: parameters,
optimizer states, views and whatever else refers to them need not know.
"""

import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch

Storages = list[tuple[Any, Any]]
"""Each storage that was emptied, with its content on the host."""


def random_states() -> dict[str, Any]:
    states: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """A copy with fewer devices than the one that was captured takes the first of them."""
    torch.set_rng_state(states["cpu"])
    devices = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    for device, state in zip(devices, states.get("cuda", ()), strict=False):
        torch.cuda.set_rng_state(state, device)


def peak_memory_bytes() -> int:
    """Most that was held on all devices."""
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return 0
    devices = range(torch.cuda.device_count())
    return sum(int(torch.cuda.max_memory_reserved(device)) for device in devices)


def leave(device_type: str = "cuda") -> Storages:
    """Empty every storage on devices of this type, and give the memory back to the driver."""
    has_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    if has_cuda:
        torch.cuda.synchronize()
    elif device_type == "cuda":
        return []
    left: Storages = []
    for storage in _storages_on(device_type):
        with suppress(RuntimeError):  # memory of others, which cannot be given back from here
            left.append((storage, _emptied(storage)))
    if has_cuda:
        torch.cuda.empty_cache()
    return left


def come_back(left: Storages) -> None:
    """Everything is where it was; the list is empty, so that the host's copies go."""
    while left:
        storage, content = left.pop()
        storage.resize_(content.nbytes())
        storage.copy_(content)


def _emptied(storage: Any) -> Any:
    content = torch.empty(storage.nbytes(), dtype=torch.uint8)
    on_host = _storage_of(content)
    on_host.copy_(storage)
    storage.resize_(0)
    return on_host


def _storages_on(device_type: str) -> list[Any]:
    """Each once, however many tensors are views of it."""
    found = {}
    for tensor in _tensors():
        with suppress(RuntimeError, NotImplementedError):  # such as sparse ones: they have none
            if tensor.device.type == device_type:
                storage = _storage_of(tensor)
                if storage.nbytes():
                    found[storage.data_ptr()] = storage
    return list(found.values())


def _tensors() -> Iterator[Any]:
    """All that anybody in this process refers to, and the gradients of those that have one."""
    for each in gc.get_objects():
        if issubclass(type(each), torch.Tensor):
            yield each
            with suppress(RuntimeError, NotImplementedError):
                if each.is_leaf and each.grad is not None:
                    yield each.grad


def _storage_of(tensor: Any) -> Any:
    if hasattr(tensor, "untyped_storage"):
        return tensor.untyped_storage()
    return tensor.storage().untyped()  # before torch 2
