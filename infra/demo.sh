#!/usr/bin/env bash
# The demo from nothing: tools, build, local cloud, files, results, and everything down again. `make demo` runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds() { python3 -c 'import time; print(time.monotonic())'; }
since() { python3 -c 'import sys, time; print(round(time.monotonic() - float(sys.argv[1]), 1))' "$1"; }

echo 'Tools (into .venv, once) and build (into target, once: several minutes on a fresh machine)'
started=$(seconds)
make --no-print-directory tools
tools=$(since "$started")
started=$(seconds)
make --no-print-directory build
build=$(since "$started")
exec .venv/bin/python -u infra/python/demo.py --took "tools=$tools" --took "build=$build"
