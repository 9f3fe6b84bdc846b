"""A real host whose workers decode with a given number of threads, which no setting offers.

python benchmarks/threaded_host.py READY_DESCRIPTOR THREADS, in the foreground, with KENSHO_HOME set.
"""

import sys

from kensho_tui.host import rooms
from kensho_tui.host.main import run

if __name__ == "__main__":
    threads = int(sys.argv[2])
    vars(rooms)["decode_threads"] = lambda _cores: threads
    sys.exit(run(int(sys.argv[1])))
