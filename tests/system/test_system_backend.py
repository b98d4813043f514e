"""The seam between a home folder and a cluster: without a cluster nothing of it is loaded."""

import subprocess
import sys

EMBEDDED = """
import sys
from pathlib import Path
from tests.support.small_home import SmallHome, ids
small = SmallHome(Path(sys.argv[1]))
found = small.search("halo", user="u1")
small.play(ids(found)[0], on=found)
small.learn()
print(small.storage.memory.position(), ids(small.search("halo", user="u1"))[0])
small.close()
print(*sorted(name for name in sys.modules if name.split(".")[0] == "opensearchpy" or ".opensearch" in name))
"""


def test_the_embedded_mode_loads_nothing_of_the_cluster(tmp_path):
    script = [sys.executable, "-c", EMBEDDED, str(tmp_path / "home")]
    ran = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    learned, loaded = ran.stdout.splitlines()
    assert learned.startswith("2 halo")
    assert loaded == ""
