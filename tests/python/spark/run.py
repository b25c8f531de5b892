"""Runs every claim about the Glue job on one local Spark and tells of each whether it held.

Usage: run.py FIXTURES [CLAIM …]; FIXTURES is a folder that the Rust test filled. A line a
claim: `held NAME` or `broken NAME`, then why.
"""

import sys
import tempfile
import traceback
from pathlib import Path

import claims_deaths
import claims_equality
import claims_job
import claims_leases
import claims_quarantine
import claims_unstamped
import claims_values
import rig

MODULES = (
    *(claims_values, claims_job, claims_quarantine, claims_unstamped, claims_deaths, claims_leases),
    claims_equality,
)


def claims():
    """Name and function of every claim; a name stands once."""
    found = {}
    for module in MODULES:
        for name, own in vars(module).items():
            if callable(own) and getattr(own, "__module__", None) == module.__name__ and not name.startswith("_"):
                assert name not in found, f"{name} stands twice"
                found[name] = own
    return found


def main(fixtures, *names):
    """1 if any claim is broken."""
    broken = 0
    chosen = {name: own for name, own in claims().items() if not names or name in names}
    with tempfile.TemporaryDirectory(prefix="penstock-spark-") as scratch:
        spark = rig.session(scratch)
        for name, claim in chosen.items():
            bench = rig.Bench(spark, scratch)
            try:
                claim(bench, Path(fixtures))
                print(f"held {name}", flush=True)
            except Exception:
                broken += 1
                print(f"broken {name}\n{traceback.format_exc()}", flush=True)
            bench.close()
        spark.stop()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
