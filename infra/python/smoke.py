"""Shows that a stage works: drops one file a route and waits for its rows. Knows the smoke datasets alone."""

import argparse
import datetime
import json
import os
import secrets
import subprocess
import sys

from botocore.exceptions import BotoCoreError, ClientError

import deploy
import stage
from session import Session
from waiting import until

# Each route with its table.
ROUTES = {"queue": "tgt.smoke", "copy": "tgt.smoke_copy", "stream": "tgt.smoke_stream"}
WITHIN_SECONDS = 300


def drop(variables: dict[str, str], route: str, run_id: str) -> str:
    """Writes the file of one route."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    row = {"run_id": run_id, "route": route, "sent_at": now}
    key = f"{route}/smoke/{run_id}.json"
    s3 = Session(variables.get("AWS_ENDPOINT_URL")).client("s3")
    s3.put_object(Bucket=variables["LANDING_BUCKET"], Key=key, Body=json.dumps(row).encode())
    return f"s3://{variables['LANDING_BUCKET']}/{key}"


def rows(table: str, run_id: str) -> int:
    """How many rows the warehouse has of a run; the id is ours, and hexadecimal."""
    penstock = deploy.target_dir() / "ci" / "penstock"
    query = f"SELECT COUNT(*) AS n FROM {table} WHERE run_id = '{run_id}'"
    done = subprocess.run([str(penstock), "sql", "--json", query], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or done.stdout.strip())
    return int(json.loads(done.stdout)["n"])


def main() -> None:
    """Tries every route."""
    parser = argparse.ArgumentParser(prog="smoke.py", description="Sends one file a route through a stage.")
    parser.add_argument("--stage", default="", help="a stage on AWS; the local cloud without it")
    args = parser.parse_args()
    try:
        smoke(stage.variables(args.stage, with_warehouse=True))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")


def smoke(variables: dict[str, str]) -> None:
    """One file a route, and exactly one row of each."""
    os.environ.update(variables)
    # A warehouse on AWS is not asked five times a second.
    poll_seconds = 0.2 if "AWS_ENDPOINT_URL" in variables else 3.0
    for route, table in ROUTES.items():
        run_id = secrets.token_hex(8)
        print(f"{route}: {drop(variables, route, run_id)}", flush=True)

        def arrived(table=table, run_id=run_id):
            found = rows(table, run_id)
            return found > 0, f"{found} of 1 rows in {table}"

        waited = until(route, WITHIN_SECONDS, arrived, poll_seconds)
        found = rows(table, run_id)
        if found != 1:
            sys.exit(f"error: {route}: {found} rows in {table} for one record")
        print(f"{route}: 1 row in {table} after {waited:.1f} s")


if __name__ == "__main__":
    main()
