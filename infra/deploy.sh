#!/usr/bin/env bash
# Deploys one stage of Penstock; `infra/deploy.sh --help` says how. Needs `make setup`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/python infra/python/deploy.py "$@"
