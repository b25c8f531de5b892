"""The demo: a local cloud from nothing to rows, and away again. Knows the sample files of the queue route."""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import deploy
import local_cloud
from demo_copy import CopyRoute
from demo_lake import LakeRoute
from demo_stream import StreamRoute
from functions import ROOT
from session import Session, exit_on_signals
from waiting import until

OBJECTS = ROOT / "events" / "objects"
PREFIX = "queue/transactions"
FILES = ["2026-01-15-transactions.json", "2026-01-16-transactions.json"]
WITHIN_SECONDS = 120
ROWS = "SELECT transaction_id, status, amount, currency, booked_date, note FROM tgt.transactions ORDER BY 1"
READ = "SELECT COALESCE(SUM(n_read), 0) AS n FROM penstock.objects"
# What must come out: the records that break a rule, and one row a key, the newest version of each.
REJECTED_LINES = [6, 7, 8, 10]
EXPECTED = [
    ("tx-1001", "booked"), ("tx-1002", "refunded"), ("tx-1003", "booked"),
    ("tx-1004", "booked"), ("tx-1008", "refunded"), ("tx-1010", "booked"),
]  # fmt: skip


def main() -> None:
    """Runs every step and says how long it took."""
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("--took", action="append", default=[], metavar="STEP=SECONDS", help="steps done before")
    args = parser.parse_args()
    took = [(step, float(seconds)) for step, seconds in (own.split("=") for own in args.took)]
    exit_on_signals()
    state = Path(tempfile.mkdtemp(prefix="penstock-demo-"))
    try:
        run(state, took)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print("\nHow long it took")
    for step, seconds in [*took, ("in all", sum(seconds for _, seconds in took))]:
        print(f"  {step:<24}{seconds:6.1f} s")
    print("\nEverything is down again, and no process is left. `make up` keeps a local cloud for you to play with.")


def run(state: Path, took: list) -> None:
    """The demo itself, in a local cloud of its own."""
    cloud = local_cloud.LocalCloud(state, free_port(), free_port())
    with contextlib.ExitStack() as stack:
        with timed(took, "local cloud", "A local AWS with IAM, and a local Redshift"):
            stack.enter_context(cloud)
        with timed(took, "deploy", "The deployment, the same as to AWS"):
            variables = local_cloud.deploy_to(cloud.endpoint, cloud.redshift, "demo", deploy.target_dir() / "ci")
            os.environ.update(variables)
        with timed(took, "load", "Files arrive"):
            drop(variables, FILES)
            settle(variables, rows_read=8)
        with timed(took, "again", "The first of them comes again, twice: its rows are there already"):
            drop(variables, FILES[:1])
            settle(variables, rows_read=13)
            drop(variables, FILES[:1])
            settle(variables, rows_read=18)
        with timed(took, "results", None):
            show()
        with timed(took, "copy route", "The copy route: a large file, an update of it, and both again"):
            CopyRoute(variables, penstock).show(state)
        with timed(took, "streaming route", "The streaming route: a file of changes, through Kinesis and Firehose"):
            StreamRoute(variables, penstock).show(state)
        with timed(
            took, "lake route", "The lake route: a CSV as Parquet, a picture as it is, and one run of a Glue job"
        ):
            LakeRoute(variables).show(state)
        stopping = time.monotonic()
    took.append(("down", time.monotonic() - stopping))


@contextlib.contextmanager
def timed(took: list, step: str, title: str | None):
    """A step under its title."""
    if title:
        print(f"\n{title}", flush=True)
    started = time.monotonic()
    yield
    took.append((step, time.monotonic() - started))


def drop(variables: dict[str, str], names: list[str]) -> None:
    """Puts sample files into the landing bucket."""
    s3, bucket = Session(variables["AWS_ENDPOINT_URL"]).client("s3"), variables["LANDING_BUCKET"]
    # S3 tells times by the second, and the same content at the same time is the same.
    time.sleep(1 - time.time() % 1)
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"{PREFIX}/{name}", Body=(OBJECTS / name).read_bytes())
        print(f"  s3://{bucket}/{PREFIX}/{name}", flush=True)


def settle(variables: dict[str, str], rows_read: int) -> None:
    """Waits until loads have read so many rows in all, and no message is left."""
    sqs, load = Session(variables["AWS_ENDPOINT_URL"]).client("sqs"), variables["LOAD_QUEUE_URL"]
    events = load.replace("-load.fifo", "-s3-to-sqs-fifo")

    def settled():
        found = json.loads(penstock("sql", "--json", READ))["n"]
        left = waiting_in(sqs, events) + waiting_in(sqs, load)
        progress = f"{found} of {rows_read} rows read by loads, {left} messages on their way"
        return int(found) >= rows_read and left == 0, progress

    waited = until("loading", WITHIN_SECONDS, settled)
    print(f"  read and loaded after {waited:.1f} s")


def waiting_in(sqs, queue_url: str) -> int:
    """Messages that are not acknowledged yet."""
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def show() -> None:
    """Accounting, rows and rejects; what is not as it has to be is an error."""
    print("\nThe accounting (make status)", flush=True)
    print(penstock("status"))
    print(f'The warehouse (make sql Q="{ROWS}")', flush=True)
    print(penstock("sql", ROWS))
    print("The quarantine, with the account masked, as its contract classifies it (make rejects)", flush=True)
    print(penstock("rejects"))
    rows = [json.loads(line) for line in penstock("sql", "--json", ROWS).splitlines()]
    found = [(row["transaction_id"], row["status"]) for row in rows]
    if found != EXPECTED:
        sys.exit(f"error: the warehouse should hold {EXPECTED}, and holds {found}")
    lines = sorted(json.loads(line)["line"] for line in penstock("rejects", "--json").splitlines())
    if lines != REJECTED_LINES:
        sys.exit(f"error: lines {REJECTED_LINES} should be in quarantine, and {lines} are")


def penstock(*arguments: str) -> str:
    """What the penstock command prints."""
    command = [str(deploy.target_dir() / "ci" / "penstock"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


if __name__ == "__main__":
    main()
