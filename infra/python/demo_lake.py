"""The lake route's part of the demo: a CSV and a picture end in the lake, the CSV as Parquet that somebody else's
reader counts, and a stage file's job is started once although its event comes three times. Knows the route by its
buckets and queues."""

import json
import subprocess
import sys
import time
from pathlib import Path

import demo_readings
from functions import ROOT
from session import Session
from waiting import until

CSV = f"lake/sensor_readings/{demo_readings.NAME}"
PICTURE = "lake/product_images/2026/bench vise (front).png"
IN_LAKE = "product_images/2026/bench vise (front).png"
STAGE_FILE = "clickstream/dt=2026-01-15/penstock-1-2026-01-15-08-34-00.json"
SAMPLE = ROOT / "events" / "objects" / "2026-01-15-clickstream.json"
WITHIN_SECONDS = 120
# Neither Rust nor Penstock: pyarrow and DuckDB.
READER = [str(ROOT / ".venv" / "lake" / "bin" / "python"), str(Path(__file__).with_name("demo_lake_reader.py"))]


class LakeRoute:
    """The route of a local cloud, whose lake holds nothing yet."""

    def __init__(self, variables: dict[str, str]):
        session = Session(variables["AWS_ENDPOINT_URL"])
        self.s3, self.sqs, self.glue = (session.client(own) for own in ("s3", "sqs", "glue"))
        self.variables = variables

    def show(self, folder: Path) -> None:
        """Every step; the job first, while no file in the lake has a crawler start."""
        self.start_job()
        self.convert(folder)
        self.copy_picture()

    def convert(self, folder: Path) -> None:
        """The CSV, its event again, and then other content under its key."""
        first = demo_readings.write(folder, demo_readings.ROWS)
        self.drop(first)
        self.compare(folder / "first", first)
        before = self.in_lake()
        for _ in range(2):
            self.sqs.send_message(QueueUrl=self.variables["LAKE_QUEUE_URL"], MessageBody=self.event_of_landing(CSV))
            # At the same time the second would wait a minute for what becomes of the first.
            self.settle()
        if self.in_lake() != before:
            sys.exit(f"error: the same event again changed the lake from {before} to {self.in_lake()}")
        print("  its event twice again: not a byte of the lake has changed")
        second = demo_readings.write(folder, demo_readings.ROWS // 4)
        self.drop(second)
        self.compare(folder / "second", second)
        print("  other content under its key: its own files are replaced, and nothing else")

    def drop(self, path: Path) -> None:
        """Puts the CSV, and waits until it is in the lake."""
        # S3 tells times by the second, and the later content has to be the newer one.
        time.sleep(1 - time.time() % 1)
        started, before = time.monotonic(), self.receipts()
        self.s3.put_object(Bucket=self.variables["LANDING_BUCKET"], Key=CSV, Body=path.read_bytes())
        until("the file's receipt", WITHIN_SECONDS, lambda: (self.receipts() != before, "no receipt yet"))
        self.settle()
        seconds, size = time.monotonic() - started, path.stat().st_size
        print(f"  s3://{self.variables['LANDING_BUCKET']}/{CSV}: {size:,} bytes, in the lake after {seconds:.1f} s")

    def compare(self, folder: Path, source: Path) -> None:
        """Holds what an independent reader finds to what was counted from the file."""
        found, told = self.read_back(folder), demo_readings.count(source)
        for name in ("rows", "days", "schema"):
            if found[name] != told[name]:
                sys.exit(f"error: {name}: pyarrow and DuckDB find {found[name]}, and it should be {told[name]}")
        rejected = sum(receipt["rejected"] for receipt in self.newest_receipt())
        if rejected != told["rejected"]:
            sys.exit(f"error: {told['rejected']} rows are bad, and {rejected} were rejected")
        kinds = ", ".join(f"{name} {kind}" for name, kind in found["schema"])
        print(f"    pyarrow: {found['rows']:,} rows in {found['files']} files ({found['codecs']}): {kinds}")
        for day, rows, total, first, last in found["days"]:
            print(f"    DuckDB:  measured_date={day} {rows:>7,} rows, sum {total}, {first} to {last}")
        print(f"    the same as counted from the file by plain Python, and {rejected:,} rejects in quarantine")

    def read_back(self, folder: Path) -> dict:
        """What the reader says of the dataset's files."""
        for key in self.in_lake():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.s3.get_object(Bucket=self.variables["LAKE_BUCKET"], Key=key)["Body"].read())
        done = subprocess.run([*READER, str(folder / "sensor_readings")], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"error: the lake's files cannot be read: {done.stderr}")
        return json.loads(done.stdout)

    def copy_picture(self) -> None:
        """A picture keeps bytes, type and metadata."""
        picture = demo_readings.picture()
        own = {"ContentType": "image/png", "Metadata": {"photographer": "ada"}}
        self.s3.put_object(Bucket=self.variables["LANDING_BUCKET"], Key=PICTURE, Body=picture, **own)
        lake = self.variables["LAKE_BUCKET"]
        until("the picture", WITHIN_SECONDS, lambda: (IN_LAKE in self.keys(lake, IN_LAKE), "not in the lake yet"))
        self.settle()
        copied = self.s3.get_object(Bucket=lake, Key=IN_LAKE)
        found = {name: copied[name] for name in own}
        if (copied["Body"].read(), found) != (picture, own):
            sys.exit(f"error: the picture in the lake is another one: {found}")
        print(f"  s3://{lake}/{IN_LAKE}: {len(picture):,} bytes, {found}, copied by S3 itself")

    def start_job(self) -> None:
        """A file of the stage bucket, whose event comes by itself and twice more."""
        stage, job = self.variables["STAGE_BUCKET"], self.variables["GLUE_JOB_NAME"]
        etag = self.s3.put_object(Bucket=stage, Key=STAGE_FILE, Body=SAMPLE.read_bytes())["ETag"].strip('"')
        until("a run of the job", WITHIN_SECONDS, lambda: (bool(self.runs(job)), "no run yet"))
        # Those that come while the first is at it wait a minute for what becomes of it.
        until(
            "the claim",
            WITHIN_SECONDS,
            lambda: (self.waiting(("GLUE_QUEUE_URL",)) == 0, "the first event is not done with yet"),
        )
        # S3's number of the put is in the claim.
        _, manifest = self.manifest_of(self.runs(job)[0])
        found = {"key": STAGE_FILE, "size": SAMPLE.stat().st_size, "etag": etag}
        event = self.event_of_stage({**found, "sequencer": manifest["entries"][0]["put"]})
        for _ in range(2):
            self.sqs.send_message(QueueUrl=self.variables["GLUE_QUEUE_URL"], MessageBody=event)
        self.settle("LAKE_QUEUE_URL", "GLUE_QUEUE_URL")
        runs = self.runs(job)
        if len(runs) != 1:
            sys.exit(f"error: {job} has {len(runs)} runs, and one event three times is one")
        place, manifest = self.manifest_of(runs[0])
        urls = [entry["url"] for entry in manifest["entries"]]
        if (urls, manifest["run_id"]) != ([f"s3://{stage}/{STAGE_FILE}"], runs[0]["Id"]):
            sys.exit(f"error: {place} has {urls} for run {manifest['run_id']}")
        print(f"  {urls[0]}, its event three times: one run of {job},")
        print(f"    {runs[0]['Id']}, --penstock_manifest {place}")

    def manifest_of(self, run: dict) -> tuple[str, dict]:
        """Where a run's manifest lies, and what it says."""
        place = run["Arguments"]["--penstock_manifest"]
        bucket, key = place.removeprefix("s3://").split("/", 1)
        return place, json.load(self.s3.get_object(Bucket=bucket, Key=key)["Body"])

    def runs(self, job: str) -> list[dict]:
        """Runs of a job."""
        return self.glue.get_job_runs(JobName=job)["JobRuns"]

    def event_of_landing(self, key: str) -> str:
        """What S3 sends of an object."""
        bucket = self.variables["LANDING_BUCKET"]
        head = self.s3.head_object(Bucket=bucket, Key=key)
        found = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
        own = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": found}}
        return json.dumps({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", **own}]})

    def event_of_stage(self, found: dict) -> str:
        """What EventBridge sends of an object."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        own = {"bucket": {"name": self.variables["STAGE_BUCKET"]}, "object": found}
        return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "time": now, "detail": own})

    def in_lake(self) -> dict[str, str]:
        """Files of the dataset in the lake, with their ETags."""
        return self.keys(self.variables["LAKE_BUCKET"], "sensor_readings/")

    def receipts(self) -> dict[str, str]:
        """Receipts of the dataset, with their ETags."""
        return self.keys(self.variables["WORK_BUCKET"], "receipts/sensor_readings/")

    def newest_receipt(self) -> list[dict]:
        """The receipt that was written last."""
        bucket = self.variables["WORK_BUCKET"]
        found = [json.load(self.s3.get_object(Bucket=bucket, Key=own)["Body"]) for own in self.receipts()]
        return sorted(found, key=lambda receipt: receipt["source_ms"])[-1:]

    def keys(self, bucket: str, prefix: str) -> dict[str, str]:
        """Keys below a prefix, with their ETags."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {own["Key"]: own["ETag"] for page in pages for own in page.get("Contents", [])}

    def settle(self, *queues: str) -> None:
        """Waits until no message of s3-to-lake, or of these queues, is left, the dead ones included. Those of
        glue-job-starter wait a minute where a crawler runs."""
        own = queues or ("LAKE_QUEUE_URL",)
        until("the route", WITHIN_SECONDS, lambda: (self.waiting(own) == 0, f"{self.waiting(own)} messages left"))

    def waiting(self, queues: tuple[str, ...]) -> int:
        """Messages that are not acknowledged yet."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        urls = [self.variables[own] for own in queues]
        found = [
            self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            for own in urls
            for queue in (own, f"{own}-dlq")
        ]
        return sum(int(own[name]) for own in found for name in names)
