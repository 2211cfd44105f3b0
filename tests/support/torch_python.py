"""A Python that has PyTorch and scikit-learn: the one that runs the tests, or Debian's own.

PyPI has PyTorch for Linux with CUDA alone, several gigabytes; Debian's is built for the cpu.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = ("python3-torch", "python3-sklearn")
DEBIANS = "/usr/bin/python3"
INSTALL_S = 900.0


class NoTorchError(Exception):
    """Why there is none here."""


def torch_python() -> str:
    """Where none has it and we are root on Debian, it is installed: 200 MB, 1 to 3 minutes."""
    for python in (sys.executable, DEBIANS):
        if _has_torch(python):
            return python
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoTorchError(f"no PyTorch; on Debian: sudo apt-get install {' '.join(PACKAGES)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patience = ("-o", "DPkg::Lock::Timeout=600")
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *patience, *PACKAGES]
    for argv in (["apt-get", "update", "-q", *patience], install):
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    if not _has_torch(DEBIANS):
        raise NoTorchError(
            f"{' '.join(PACKAGES)} cannot be installed: {done.stderr.strip()[-200:]}"
        )
    return DEBIANS


def _has_torch(python: str) -> bool:
    check = "import sys, torch, sklearn; sys.exit(sys.version_info < (3, 11))"
    try:
        return not subprocess.run(
            [python, "-c", check], capture_output=True, check=False
        ).returncode
    except OSError:
        return False
