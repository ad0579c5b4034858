"""NVIDIA's management library, asked once and told as text: which processors there are, and how they are linked.

Loaded only where the driver is: a machine without such a processor never looks for the library.
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from typing import Any


def devices() -> bytes:
    """Return what the library says, as JSON: `{"devices": [...]}`, with `failure` where it does not answer.

    Raises FileNotFoundError where there is no library.
    """
    try:
        pynvml: Any = import_module("pynvml")
    except ImportError:
        raise FileNotFoundError(2, "nvidia-ml-py is not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        raise FileNotFoundError(2, "NVIDIA's management library is not there") from None
    except pynvml.NVMLError as error:
        return json.dumps({"devices": [], "failure": f"NVML: {error}"}).encode()
    try:
        return json.dumps(
            {"devices": [_device(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]}
        ).encode()
    except pynvml.NVMLError as error:
        return json.dumps({"devices": [], "failure": f"NVML: {error}"}).encode()
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _device(nvml: Any, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    told: dict[str, Any] = {
        "index": index,
        "address": _address(nvml.nvmlDeviceGetPciInfo(handle).busId),
        "name": _text(nvml.nvmlDeviceGetName(handle)),
        "links": [],
    }
    with suppress(nvml.NVMLError):
        told["memory"] = nvml.nvmlDeviceGetMemoryInfo(handle).total
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            if not nvml.nvmlDeviceGetNvLinkState(handle, link):
                continue
            version = nvml.nvmlDeviceGetNvLinkVersion(handle, link)
        except nvml.NVMLError:  # this processor has fewer links, or none
            break
        remote = None
        with suppress(nvml.NVMLError):
            remote = _address(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link).busId)
        told["links"].append({"link": link, "version": version, "remote": remote})
    return told


def _address(bus_id: Any) -> str:
    """Give `00000000:3B:00.0` as sysfs writes it."""
    segment, _, rest = _text(bus_id).lower().partition(":")
    return f"{int(segment, 16):04x}:{rest}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
