# The transformation in plain Python, as a competent team writes it for one dataset. Run by awslambdaric.
import base64
import json

import transaction


def handler(event, context):
    source = event.get("sourceKinesisStreamArn") or event["deliveryStreamArn"]
    seen = set()
    return {"records": [answer(record, source, seen) for record in event["records"]]}


def answer(record, source, seen):
    record_id = record["recordId"]
    try:
        fields = json.loads(base64.b64decode(record["data"]))
        columns = transaction.columns(fields)
    except ValueError as error:
        print(f"rejected: {type(error).__name__}")
        return {"recordId": record_id, "result": "ProcessingFailed", "data": record["data"]}
    metadata = record["kinesisRecordMetadata"]
    row = transaction.stamped(
        columns,
        source,
        arrival_ms=record["approximateArrivalTimestamp"],
        sequence_number=metadata["sequenceNumber"],
        subsequence_number=metadata["subsequenceNumber"],
    )
    identity = row["_record_id"], row["_row_hash"]
    if identity in seen:
        return {"recordId": record_id, "result": "Dropped", "data": record["data"]}
    seen.add(identity)
    return {
        "recordId": record_id,
        "result": "Ok",
        "data": base64.b64encode(transaction.line(row)).decode("ascii"),
        "metadata": {"partitionKeys": transaction.partition_keys(row)},
    }
