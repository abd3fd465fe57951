"""`python -m server.finetune`: the command where the rest of `rhumb` is not installed."""

import sys

from server.errors import RhumbError
from server.finetune.command import run

if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:], "python -m server.finetune"))
    except RhumbError as error:
        print(f"rhumb: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
