# A file's rows onto a Kinesis stream in plain Python, as a competent team writes it for one dataset: boto3's clients,
# json, put_records by 500, what was refused again.
import hashlib
import json
import random
import sys
import time

import boto3
import transaction
from botocore.config import Config

BY = 500


def main(endpoint, bucket, key, stream):
    config = Config(s3={"addressing_style": "path"})
    s3, kinesis = (boto3.client(name, endpoint_url=endpoint, config=config) for name in ("s3", "kinesis"))
    started, batch, sent = time.process_time(), [], 0
    answer = s3.get_object(Bucket=bucket, Key=key)
    stamps = Stamps(bucket, key, answer)
    position = 0
    for line in answer["Body"].iter_lines(chunk_size=256 << 10):
        row = stamped(line, stamps, position)
        position += len(line) + 1
        if row is None:
            continue
        batch.append(row)
        if len(batch) == BY:
            sent += put(kinesis, stream, batch)
            batch = []
    if batch:
        sent += put(kinesis, stream, batch)
    print(json.dumps({"rows": sent, "cpu_ms": (time.process_time() - started) * 1000}))


class Stamps:
    def __init__(self, bucket, key, answer):
        self.source = f"s3://{bucket}/{key}"
        self.modified_ms = int(answer["LastModified"].timestamp() * 1000)
        texts = [bucket, key, "ETAG", answer["ETag"].strip('"'), str(answer["ContentLength"])]
        netstr = "".join(f"{len(text.encode())}:{text}" for text in texts)
        self.object_id = hashlib.sha256(netstr.encode()).hexdigest()[:32]

    def order(self, position):
        return f"{self.modified_ms:013}/{self.object_id}/{position:020}"


def stamped(line, stamps, position):
    try:
        columns = transaction.columns(json.loads(line))
    except ValueError as error:
        print(f"rejected: {type(error).__name__}", file=sys.stderr)
        return None
    row = transaction.stamped(columns, stamps.source, arrival_ms=0, sequence_number="", subsequence_number=0)
    row["_order"] = stamps.order(position)
    return {"Data": transaction.line(row), "PartitionKey": row["_record_id"]}


def put(kinesis, stream, records):
    """Puts records until every one was taken; gives their number."""
    sent, attempt = len(records), 0
    while records:
        answer = kinesis.put_records(StreamName=stream, Records=records)
        if answer["FailedRecordCount"] == 0:
            break
        told = zip(records, answer["Records"], strict=True)
        records = [record for record, result in told if "ErrorCode" in result]
        time.sleep(random.uniform(0, min(5, 0.1 * 2**attempt)))
        attempt += 1
    return sent


if __name__ == "__main__":
    main(*sys.argv[1:])
