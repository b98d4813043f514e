"""What the process itself costs: importing it, and its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figures import Figure

_TIMED = "import time; t = time.perf_counter(); import bandstand; print((time.perf_counter() - t) * 1e3)"

_SEARCHING = """
import sys
from pathlib import Path
import bandstand as bs
music = bs.open(sys.argv[1], background=False)
columns = music.platform.searching.catalog.columns
for number in range(300):
    title = str(columns.titles[number * 7919 % columns.n])
    music.search(title, policy="all", explain=number % 10 == 0)
# Not ru_maxrss: that also holds what the parent had at the moment of the fork.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""


def import_figure(runs: int = 7) -> Figure:
    """Milliseconds of `import bandstand` in a new interpreter, the median."""
    times = sorted(
        float(subprocess.run([sys.executable, "-c", _TIMED], check=True, capture_output=True, text=True).stdout)
        for _ in range(runs)
    )
    return Figure(name="import bandstand", value=times[runs // 2], unit="ms", aim=50)


def memory_figure(home: Path) -> Figure:
    """The largest resident set of a process that opens the home and searches it."""
    done = subprocess.run([sys.executable, "-c", _SEARCHING, str(home)], check=True, capture_output=True, text=True)
    return Figure(name="searching process, largest resident set", value=float(done.stdout), unit="MB", aim=1000)
