"""Shows that a stage works: drops one file a route and waits for its row in the warehouse, or in the lake. Knows the
smoke datasets alone."""

import argparse
import datetime
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import deploy
import stage
from session import Session
from waiting import until

# Each route with its table.
ROUTES = {"queue": "tgt.smoke", "copy": "tgt.smoke_copy", "stream": "tgt.smoke_stream"}
WITHIN_SECONDS = 300
# Folder of the lake bucket, and the contract that its file is held to.
LAKE, LAKE_CONTRACT = "smoke_lake/", deploy.ROOT / "infra" / "contracts" / "smoke_lake.odcs.yaml"


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


def files_in_lake(variables: dict[str, str]) -> set[str]:
    """Keys of what the lake route has made of smoke files."""
    s3 = Session(variables.get("AWS_ENDPOINT_URL")).client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=variables["LAKE_BUCKET"], Prefix=LAKE)
    return {own["Key"] for page in pages for own in page.get("Contents", [])}


def rows_of_file(variables: dict[str, str], key: str) -> list[dict]:
    """Rows of a file in the lake, as `penstock try` reads them."""
    s3 = Session(variables.get("AWS_ENDPOINT_URL")).client("s3")
    with tempfile.TemporaryDirectory() as folder:
        path, rows = Path(folder, "file.parquet"), Path(folder, "rows.jsonl")
        path.write_bytes(s3.get_object(Bucket=variables["LAKE_BUCKET"], Key=key)["Body"].read())
        command = [deploy.target_dir() / "ci" / "penstock", "try", "--contract", LAKE_CONTRACT, "--rows", rows, path]
        done = subprocess.run([str(own) for own in command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"s3://{variables['LAKE_BUCKET']}/{key}: {done.stderr.strip() or done.stdout.strip()}")
        return [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]


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
    smoke_lake(variables, poll_seconds)


def smoke_lake(variables: dict[str, str], poll_seconds: float) -> None:
    """One file of the lake route, and exactly one Parquet file with exactly its row."""
    run_id, before = secrets.token_hex(8), files_in_lake(variables)
    print(f"lake: {drop(variables, 'lake', run_id)}", flush=True)

    def arrived():
        found = files_in_lake(variables) - before
        return bool(found), f"{len(found)} of 1 files in the lake"

    waited = until("lake", WITHIN_SECONDS, arrived, poll_seconds)
    found = [row for key in files_in_lake(variables) - before for row in rows_of_file(variables, key)]
    if [row["run_id"] for row in found] != [run_id]:
        sys.exit(f"error: lake: {len(found)} rows for one record")
    print(f"lake: 1 row in s3://{variables['LAKE_BUCKET']}/{LAKE} after {waited:.1f} s")


if __name__ == "__main__":
    main()
