"""`python -m sop`: the command `sop`. On an older Python it prints one line instead of a traceback."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout may be run with any Python
    version = ".".join(map(str, sys.version_info[:3]))
    print("sop: Python 3.11 or later is needed, this is Python " + version, file=sys.stderr)  # noqa: T201
    sys.exit(2)

from sop.main import main

if __name__ == "__main__":
    main()
