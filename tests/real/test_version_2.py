"""Control groups of version 2 on a kernel that has nothing else, in a machine that qemu emulates.

`make test-kernel FAIRLEAD_KERNEL=/boot/vmlinuz-…` runs it, in some minutes; it needs that kernel's
modules below /lib/modules, qemu-system-x86_64, and vng (virtme-ng) in PATH.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUEST = Path(__file__).with_name("version_2_guest.py")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_tasks_are_held_and_ended_by_a_real_version_2(tmp_path: Path) -> None:
    kernel, vng = os.environ.get("FAIRLEAD_KERNEL"), shutil.which("vng")
    assert kernel is not None, "FAIRLEAD_KERNEL names no kernel"
    assert vng is not None, "vng is missing: pip install virtme-ng"
    said = tmp_path / "said"
    script = tmp_path / "guest.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -B {GUEST} >{said} 2>&1\n")
    script.chmod(0o755)
    boot = [vng, "--force-9p", "--disable-kvm", "-r", kernel, "--cpus", "2", "--memory", "2G"]
    boot += ["--rwdir", str(tmp_path), "--append", "cgroup_no_v1=all", "--", str(script)]
    with (tmp_path / "console").open("wb") as console:
        subprocess.run(
            boot, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=800, check=False
        )
    assert said.exists(), (tmp_path / "console").read_text(errors="replace")[-2000:]
    assert said.read_text().endswith("passed: all\n"), said.read_text()
