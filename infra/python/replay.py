"""Sends an event file to a function that `make watch` runs, aimed at the local cloud's objects. Knows no function."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import local_cloud
import stage
from functions import FUNCTIONS, ROOT, tool_env
from session import Session

# Buckets that the files in events/ name, and the variable that has the local cloud's own.
BUCKETS = {"penstock-landing": "LANDING_BUCKET", "penstock-stage": "STAGE_BUCKET"}
OBJECTS = ROOT / "events" / "objects"


class Buckets:
    """The local cloud's buckets that files come in by."""

    def __init__(self, variables: dict[str, str]):
        self.names = {name: variables[own] for name, own in BUCKETS.items()}
        os.environ.update(variables)
        self.s3 = Session(variables["AWS_ENDPOINT_URL"]).client("s3")

    def head(self, bucket: str, key: str) -> dict | None:
        """Size and ETag of an object. One that is missing is put there when events/objects has it."""
        try:
            return self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            sample = OBJECTS / Path(key).name
            if not sample.is_file():
                print(f"  s3://{bucket}/{key} is not there")
                return None
            self.s3.put_object(Bucket=bucket, Key=key, Body=sample.read_bytes())
            print(f"  events/objects/{sample.name} put as s3://{bucket}/{key}")
            return self.s3.head_object(Bucket=bucket, Key=key)

    def aim(self, value):
        """The event with our buckets, and size and ETag of the objects that are there; events within events too."""
        match value:
            case {"bucket": {"name": str(bucket)}, "object": {"key": str()}} if bucket in self.names:
                aimed = {name: self.aim(own) for name, own in value.items() if name != "object"}
                return aimed | {"object": self.aim_object(self.names[bucket], value["object"])}
            case dict():
                return {name: self.aim(own) for name, own in value.items()}
            case list():
                return [self.aim(own) for own in value]
            case str() if value.startswith("{") and is_json(value):
                return json.dumps(self.aim(json.loads(value)))
            case str():
                for name, own in self.names.items():
                    value = value.replace(name, own)
        return value

    def aim_object(self, bucket: str, own: dict) -> dict:
        """EventBridge has keys verbatim and `etag`; S3's own notifications have them form-encoded and `eTag`."""
        etag_name = "etag" if "etag" in own else "eTag"
        if etag_name not in own:
            return own
        key = own["key"] if etag_name == "etag" else urllib.parse.unquote_plus(own["key"])
        head = self.head(bucket, key)
        return own | {"size": head["ContentLength"], etag_name: head["ETag"].strip('"')} if head else own


def is_json(text: str) -> bool:
    """Whether a text is a JSON document."""
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


def main() -> None:
    """Aims the event, and hands it to cargo-lambda."""
    parser = argparse.ArgumentParser(prog="replay.py", description="Replays an event against a watched function.")
    parser.add_argument("function", choices=[function.name for function in FUNCTIONS])
    parser.add_argument("event", type=Path)
    parser.add_argument("--port", default=os.environ.get("WATCH_PORT", "9000"))
    args = parser.parse_args()
    variables = stage.variables("", with_warehouse=False)
    try:
        event = Buckets(variables).aim(json.loads(args.event.read_text(encoding="utf-8")))
    except (OSError, ValueError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {args.event}: {error}")
    if not local_cloud.listens(int(args.port)):
        sys.exit(f"error: nobody listens on 127.0.0.1:{args.port}: start `make watch` in another terminal")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as aimed:
        json.dump(event, aimed)
        aimed.flush()
        command = ["cargo", "lambda", "invoke", args.function, "-A", "127.0.0.1", "-P", args.port]
        done = subprocess.run([*command, "--data-file", aimed.name], cwd=ROOT, env=tool_env(), check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
