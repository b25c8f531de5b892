"""The copy route's part of the demo: a large file, an update of it, both once more, and the count that they have to end
as. Knows the route by its bucket, queue and tables."""

import json
import sys
import time
from pathlib import Path

import demo_customers
from session import Session
from waiting import until

PREFIX = "copy/customers"
WITHIN_SECONDS = 180
LEDGER = (
    "SELECT COALESCE(SUM(n_read), 0) AS n_read, COALESCE(SUM(n_inserted), 0) AS inserted, "
    "COALESCE(SUM(n_updated), 0) AS updated, COALESCE(SUM(n_unchanged), 0) AS unchanged, "
    "COALESCE(SUM(n_duplicate), 0) AS older, COALESCE(SUM(n_rejected), 0) AS rejected, COUNT(*) AS objects "
    "FROM penstock.objects_customers"
)
TABLE = (
    "SELECT country, COUNT(*) AS customers, SUM(balance) AS balance, "
    f"SUM(CASE WHEN _source LIKE '%/{demo_customers.UPDATES}' THEN 1 ELSE 0 END) AS updated "
    "FROM tgt.customers GROUP BY country ORDER BY country"
)


class CopyRoute:
    """The route of a local cloud; `penstock` runs the command of that name."""

    def __init__(self, variables: dict[str, str], penstock):
        session = Session(variables["AWS_ENDPOINT_URL"])
        self.s3, self.sqs, self.penstock = session.client("s3"), session.client("sqs"), penstock
        self.bucket, self.queue = variables["LANDING_BUCKET"], variables["COPY_QUEUE_URL"]

    def show(self, folder: Path) -> None:
        """Every step, each with its speed."""
        files = demo_customers.write(folder)
        expected = demo_customers.count(files)
        for path in files:
            self.drop(path, expected["read"][path.name])
        before = self.ledger()
        self.replay(files, sum(expected["read"].values()))
        if self.ledger() != before:
            sys.exit(f"error: the replay changed the ledger from {before} to {self.ledger()}")
        self.compare(expected)

    def drop(self, path: Path, rows: int) -> None:
        """Puts a file, and waits until every row of it is accounted for."""
        before = self.ledger()
        # S3 tells times by the second, and of rows of the same time the later file's counts.
        time.sleep(1 - time.time() % 1)
        started = time.monotonic()
        self.s3.put_object(Bucket=self.bucket, Key=f"{PREFIX}/{path.name}", Body=path.read_bytes())

        def loaded():
            found = self.ledger()["objects"] - before["objects"]
            return found == 1 and self.waiting() == 0, f"{found} of 1 objects loaded"

        until(path.name, WITHIN_SECONDS, loaded)
        seconds, after = time.monotonic() - started, self.ledger()
        print(line(path.name, rows, seconds), flush=True)
        counts = [f"{after[name] - before[name]:,} {name}" for name in after if name not in ("n_read", "objects")]
        print(f"    {', '.join(own for own in counts if not own.startswith('0 '))}", flush=True)

    def replay(self, files: list[Path], rows: int) -> None:
        """Sends the events of files once more, each twice."""
        started = time.monotonic()
        for path in [*files, *reversed(files)]:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=self.event(f"{PREFIX}/{path.name}"))
        until("replay", WITHIN_SECONDS, lambda: (self.waiting() == 0, f"{self.waiting()} messages on their way"))
        print(line("both again, twice", 2 * rows, time.monotonic() - started), flush=True)
        print("    nothing: every object is in the ledger", flush=True)

    def event(self, key: str) -> str:
        """What S3 sends of an object."""
        head = self.s3.head_object(Bucket=self.bucket, Key=key)
        found = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
        own = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket}, "object": found}}
        return json.dumps({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", **own}]})

    def waiting(self) -> int:
        """Messages that are not acknowledged yet, the dead ones included."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        found = [
            self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            for queue in (self.queue, f"{self.queue}-dlq")
        ]
        return sum(int(own[name]) for own in found for name in names)

    def ledger(self) -> dict[str, int]:
        """Sums of the ledger."""
        return {name: int(value) for name, value in json.loads(self.penstock("sql", "--json", LEDGER)).items()}

    def compare(self, expected: dict) -> None:
        """Holds table and quarantine to what was counted from the files."""
        print(self.penstock("sql", TABLE))
        found = [json.loads(own) for own in self.penstock("sql", "--json", TABLE).splitlines()]
        names = ("country", "customers", "balance", "updated")
        found = [tuple(own[name] for name in names) for own in found]
        told = [
            (own, str(customers), balance, str(updated)) for own, customers, balance, updated in expected["by_country"]
        ]
        if [tuple(str(value) for value in own) for own in found] != told:
            sys.exit(f"error: counted from the files it is {told}, and the warehouse has {found}")
        rejects = self.penstock("rejects", "--json", "--limit", "0", "--dataset", "customers").splitlines()
        if len(rejects) != expected["rejected"]:
            sys.exit(f"error: {expected['rejected']} rows are bad, and {len(rejects)} are in quarantine")
        print(f"The same as counted from the files by plain Python, and {len(rejects):,} rejects in quarantine.")


def line(what: str, rows: int, seconds: float) -> str:
    """A step with its speed."""
    return f"  {what:<26}{rows:>9,} rows{seconds:>7.1f} s{rows / seconds:>10,.0f} rows/s"
