"""The streaming route's part of the demo: a file of changed customers through the stream and Firehose into the
warehouse, with the account of each hop. Knows the route by its bucket, queues, stream and tables."""

import gzip
import json
import sys
import time
from pathlib import Path

import demo_customers
from demo_copy import LEDGER
from session import Session
from waiting import until

KEY = f"stream/customers/{demo_customers.CHANGES}"
WITHIN_SECONDS = 180
ROWS = (
    "SELECT customer_id, name, email, country, birthday, balance, updated_at FROM tgt.customers "
    f"WHERE _source LIKE '%/{KEY}' ORDER BY customer_id"
)


class StreamRoute:
    """The route of a local cloud, whose stream and stage bucket hold nothing yet; `penstock` runs the command of that
    name."""

    def __init__(self, variables: dict[str, str], penstock):
        session = Session(variables["AWS_ENDPOINT_URL"])
        self.s3, self.sqs, self.kinesis = (session.client(own) for own in ("s3", "sqs", "kinesis"))
        self.penstock, self.variables = penstock, variables
        self.before = self.ledger()

    def show(self, folder: Path) -> None:
        """The file's way, and what has come of it; `folder` has the files that were loaded before it."""
        before = [folder / demo_customers.EXPORT, folder / demo_customers.UPDATES]
        path = demo_customers.write_changes(folder)
        expected = Expected(before, path)
        # S3 tells times by the second, and of rows of the same time the later file's counts.
        time.sleep(1 - time.time() % 1)
        started = time.monotonic()
        self.s3.put_object(Bucket=self.variables["LANDING_BUCKET"], Key=KEY, Body=path.read_bytes())
        until("the file's receipt", WITHIN_SECONDS, lambda: (self.receipt() is not None, "no receipt yet"))
        receipt, sent_after = self.receipt(), time.monotonic() - started

        def loaded():
            rows = self.loaded()["n_read"]
            return rows >= receipt["sent"] and self.waiting() == 0, f"{rows} of {receipt['sent']} rows loaded"

        until("the file's rows", WITHIN_SECONDS, loaded)
        print(f"  s3://{self.variables['LANDING_BUCKET']}/{KEY}: {sent_after:.1f} s until its rows were on the stream,")
        print(f"  {time.monotonic() - started:.1f} s until they were in the warehouse\n")
        self.account(receipt, expected)
        self.compare(expected)

    def account(self, receipt: dict, expected: "Expected") -> None:
        """Every row at every hop; what does not add up is an error."""
        rejects = [own for own in self.rejects() if own["source"].endswith(f"/{KEY}")]
        records, (objects, rows), ledger = self.records(), self.delivered(), self.loaded()
        outcomes = ("inserted", "updated", "unchanged", "older")
        hops = [
            ("s3-to-kinesis read", receipt["read"], expected.read),
            ("  rejected, in quarantine", len(rejects), expected.rejected),
            ("  equal to another row of it", receipt["duplicate"], None),
            ("  sent", receipt["sent"], receipt["read"] - receipt["rejected"] - receipt["duplicate"]),
            ("records in the stream", records, receipt["sent"]),
            (f"rows in {objects} objects from Firehose", rows, receipt["sent"]),
            ("s3-to-redshift-copy read", ledger["n_read"], receipt["sent"]),
            *((f"  {own}", ledger[own], expected.new if own == "inserted" else None) for own in outcomes),
            ("  in all", sum(ledger[own] for own in outcomes), ledger["n_read"]),
        ]
        for what, found, told in hops:
            print(f"  {what:<40}{found:>6,}")
            if told is not None and found != told:
                sys.exit(f"error: {what.strip()}: {found}, and it should be {told}")

    def compare(self, expected: "Expected") -> None:
        """Holds the rows that are of the file now to what was counted from the files."""
        found = [json.loads(own) for own in self.penstock("sql", "--json", ROWS).splitlines()]
        if found != expected.rows:
            pairs = zip(found, expected.rows, strict=False)
            wrong = next((pair for pair in pairs if pair[0] != pair[1]), "their number")
            sys.exit(f"error: {len(found)} rows are of the file and should be {len(expected.rows)}: {wrong}")
        count = json.loads(self.penstock("sql", "--json", "SELECT COUNT(*) AS n FROM tgt.customers"))["n"]
        if int(count) != expected.customers:
            sys.exit(f"error: there are {count} customers, and there should be {expected.customers}")
        print(f"\n{len(found)} customers are now as the file has them, row by row as counted by plain Python.")

    def receipt(self) -> dict | None:
        """What s3-to-kinesis says of the file."""
        bucket = self.variables["WORK_BUCKET"]
        for own in self.keys(bucket, "receipts/customers/"):
            receipt = json.load(self.s3.get_object(Bucket=bucket, Key=own)["Body"])
            if receipt["source"].endswith(f"/{KEY}"):
                return receipt
        return None

    def records(self) -> int:
        """Records of the stream, counted as its consumers see them."""
        name, count = self.variables["STREAM_NAME"], 0
        for shard in self.kinesis.list_shards(StreamName=name)["Shards"]:
            own = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.kinesis.get_shard_iterator(**own)["ShardIterator"]
            while records := (page := self.kinesis.get_records(ShardIterator=iterator))["Records"]:
                count, iterator = count + len(records), page["NextShardIterator"]
        return count

    def delivered(self) -> tuple[int, int]:
        """Objects that Firehose has put for customers, and the rows in them."""
        bucket = self.variables["STAGE_BUCKET"]
        bodies = [self.s3.get_object(Bucket=bucket, Key=own)["Body"].read() for own in self.keys(bucket, "customers/")]
        # The local Firehose does not pack what it delivers.
        lines = [gzip.decompress(own) if own.startswith(b"\x1f\x8b") else own for own in bodies]
        return len(lines), sum(own.count(b"\n") for own in lines)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Keys below a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [own["Key"] for page in pages for own in page.get("Contents", [])]

    def waiting(self) -> int:
        """Messages of the route that are not acknowledged yet, the dead ones included."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        queues = [self.variables["STREAM_QUEUE_URL"], self.variables["COPY_QUEUE_URL"]]
        found = [
            self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            for own in queues
            for queue in (own, f"{own}-dlq")
        ]
        return sum(int(own[name]) for own in found for name in names)

    def loaded(self) -> dict[str, int]:
        """What loads have made of the rows so far."""
        return {name: value - self.before[name] for name, value in self.ledger().items()}

    def ledger(self) -> dict[str, int]:
        """Sums of the ledger."""
        return {name: int(value) for name, value in json.loads(self.penstock("sql", "--json", LEDGER)).items()}

    def rejects(self) -> list[dict]:
        """Lines of the quarantine."""
        lines = self.penstock("rejects", "--json", "--limit", "0", "--dataset", "customers").splitlines()
        return [json.loads(line) for line in lines]


class Expected:
    """What has to come of the file, counted from it and from those before it."""

    def __init__(self, before: list[Path], path: Path):
        earlier, _, _ = demo_customers.latest_of(before)
        latest, read, rejected = demo_customers.latest_of([*before, path])
        own = {customer: row for customer, (number, row) in latest.items() if number == len(before)}
        self.read, self.rejected = read[path.name], rejected[path.name]
        self.customers, self.new = len(latest), len(latest) - len(earlier)
        self.rows = [as_the_warehouse_says(own[customer]) for customer in sorted(own)]


def as_the_warehouse_says(row: dict[str, str]) -> dict:
    """A row of a file as a query shows it."""
    moment = row["updated_at"].replace("T", " ").replace("Z", "+00")
    return {name: value or None for name, value in row.items()} | {"updated_at": moment}
