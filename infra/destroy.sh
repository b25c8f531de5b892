#!/usr/bin/env bash
# Takes one stage of Penstock down; `infra/destroy.sh --help` says what stays. Needs `make setup`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ! -e .venv/installed ]]; then
  echo 'error: the tools are missing: run `make setup`' >&2
  exit 1
fi
exec .venv/bin/python -u infra/python/destroy.py "$@"
