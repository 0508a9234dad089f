"""The service begins without torch: it is needed for checks of studies alone, and for jobs."""

from __future__ import annotations

import subprocess
import sys


def test_the_application_needs_no_torch_to_begin() -> None:
    code = "import sys, nas.service.app; print(*{'torch', 'timm', 'ray', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
