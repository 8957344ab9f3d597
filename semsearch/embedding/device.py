"""Which device PyTorch is to compute on: the setting `device`, and what this machine has."""

import os
import platform
import re
import sys
from importlib.util import find_spec

from semsearch.errors import UsageError
from semsearch.settings import effective

_DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d{1,4})?")
# What the drivers of GPUs leave, of which one is enough; on a machine without them torch need not be asked.
_SIGNS = ("/dev/nvidia0", "/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg", "/dev/kfd")


def asked_device() -> str:
    """The setting `device`: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`. Raises `UsageError` for anything else."""
    asked = str(effective("device")[0])
    if not _DEVICES.fullmatch(asked):
        raise UsageError(f"there is no kind of device called {asked}", "use auto, cpu, cuda, cuda:N or mps")
    return asked


def may_have_gpu() -> bool:
    """Whether it is worth the seconds that torch takes to ask it for a GPU."""
    if find_spec("torch") is None:
        return False
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(os.path.exists(path) for path in _SIGNS)


def find_device(asked: str) -> tuple[str, str]:
    """(the device to compute on, why it is not the one that was `asked` for; "": it is). Imports torch."""
    import torch

    if asked == "auto":
        mps = getattr(torch.backends, "mps", None)
        return "cuda" if torch.cuda.is_available() else "mps" if mps is not None and mps.is_available() else "cpu", ""
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        # PyTorch's first line may be a whole paragraph.
        return "cpu", str(error).splitlines()[0].partition(". ")[0].rstrip(".")
    return asked, ""


def device_name(device: str) -> str:
    """What `device` is called: `cuda (NVIDIA L4)`."""
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
