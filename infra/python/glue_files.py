"""The Glue job's script and modules, put into the work bucket below a hash of all of them, so that a run that begins
has those that belong together. Knows no job."""

import hashlib
from pathlib import Path

from botocore.exceptions import ClientError

from functions import ROOT

SOURCE = ROOT / "infra" / "glue"
SCRIPT = "json_to_parquet.py"
# Folder of the work bucket.
PREFIX = "glue/"


def put(s3, bucket: str, owner: str) -> tuple[dict[str, str], bool]:
    """Puts what is missing; gives the template's parameters of where all of it lies, and whether something had to be
    put."""
    files = sorted(SOURCE.glob("*.py"))
    folder = f"{PREFIX}{digest(files)}"
    missing = [path for path in files if not is_there(s3, bucket, f"{folder}/{path.name}", owner)]
    for path in missing:
        s3.put_object(Bucket=bucket, Key=f"{folder}/{path.name}", Body=path.read_bytes(), ExpectedBucketOwner=owner)
    place = {path.name: f"s3://{bucket}/{folder}/{path.name}" for path in files}
    return {"GlueScript": place.pop(SCRIPT), "GlueModules": ",".join(place.values())}, bool(missing)


def digest(files: list[Path]) -> str:
    """Hash of names and contents."""
    found = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()[:32]


def is_there(s3, bucket: str, key: str, owner: str) -> bool:
    """Whether an object is there."""
    try:
        s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
        return True
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
