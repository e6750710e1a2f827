"""`python -m streams`: the command `sop` under another name, refused in one line by a Python that is too old for it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout runs on whatever Python is told to
    told = ".".join(map(str, sys.version_info[:3]))
    print("sop: Python 3.11 or later is needed, this is Python " + told, file=sys.stderr)  # noqa: T201
    sys.exit(2)

from streams.cli.main import main

if __name__ == "__main__":
    main()
