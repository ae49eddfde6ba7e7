"""Runs a command and prints its seconds and its peak memory in MiB as JSON.

usage: measured.py COMMAND [ARGUMENT …]

A process of its own because Linux counts the peak memory of whoever starts a process towards that process too: started from
here, that is a few MiB.
"""

import json
import os
import subprocess
import sys
import time


def main() -> int:
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    print(json.dumps({"seconds": time.monotonic() - began, "peak_mib": usage.ru_maxrss / 1024}))
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
