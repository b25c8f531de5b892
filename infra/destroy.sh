#!/usr/bin/env bash
# Takes one stage of Penstock down; `infra/destroy.sh --help` says what stays. Needs `make setup`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/python infra/python/destroy.py "$@"
