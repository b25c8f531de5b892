"""Aggregate and de-aggregate records of the Kinesis Producer Library with PyPI's aws_kinesis_agg.

Reads {"records": [base64, ...], "user_records": [[partition key, explicit hash key or null, base64], ...]} and prints
{"deaggregated": [[[partition key, explicit hash key or null, base64], ...] or null, ...], "aggregated": [base64, ...]}:
null for a record that the library takes for a plain one. tests/tests/kpl.rs holds Penstock's codec to it.
"""

import base64
import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records


def deaggregated(data: str) -> list[list[str | None]] | None:
    """The user records in a record as an event source hands it over."""
    metadata = {"kinesisSchemaVersion": "1.0", "sequenceNumber": "7", "approximateArrivalTimestamp": 1.0}
    record = {"kinesis": {**metadata, "partitionKey": "outer", "data": data}}
    found = deaggregate_records([record])
    if found == [record]:
        return None
    return [
        [own["kinesis"]["partitionKey"], own["kinesis"]["explicitHashKey"], own["kinesis"]["data"].decode()]
        for own in found
    ]


def aggregated(user_records: list[tuple[str, str | None, str]]) -> list[str]:
    """The records that the library makes of user records."""
    aggregator = RecordAggregator()
    full = [aggregator.add_user_record(key, base64.b64decode(data), hash_key) for key, hash_key, data in user_records]
    records = [*filter(None, full), *filter(None, [aggregator.clear_and_get()])]
    return [base64.b64encode(record.get_contents()[2]).decode() for record in records]


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = {
        "deaggregated": [deaggregated(data) for data in request["records"]],
        "aggregated": aggregated(request["user_records"]),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
