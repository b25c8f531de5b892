#!/usr/bin/env bash
# Deploys one stage of Penstock; `infra/deploy.sh --help` says how. Needs `make setup`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ! -e .venv/installed ]]; then
  echo 'error: the tools are missing: run `make setup`' >&2
  exit 1
fi
exec .venv/bin/python -u infra/python/deploy.py "$@"
