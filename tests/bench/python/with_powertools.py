# The transformation with Powertools for AWS Lambda and pydantic, as their documentation shows it. Run by awslambdaric.
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import transaction
from aws_lambda_powertools.utilities.data_classes import (
    KinesisFirehoseDataTransformationRecordMetadata,
    KinesisFirehoseDataTransformationResponse,
    KinesisFirehoseEvent,
    event_source,
)
from aws_lambda_powertools.utilities.serialization import base64_encode
from pydantic import AfterValidator, BaseModel, Field, ValidationError


def at_most(max_bytes):
    def check(text):
        if len(text.encode()) > max_bytes or "\0" in text:
            raise ValueError(f"not in {max_bytes} bytes")
        return text

    return AfterValidator(check)


class Transaction(BaseModel):
    transaction_id: Annotated[str, Field(min_length=1), at_most(64)]
    account_id: Annotated[str, at_most(34)]
    amount: Annotated[Decimal, Field(max_digits=18, decimal_places=2)]
    currency: Literal["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY"]
    booked_at: datetime
    merchant: dict[str, Any] | None = None
    channel: Annotated[str, at_most(32)] | None = None
    status: Literal["pending", "booked", "refunded", "cancelled"]
    note: Annotated[str, at_most(512)] | None = None


@event_source(data_class=KinesisFirehoseEvent)
def handler(event, context):
    source = event.source_kinesis_stream_arn or event.delivery_stream_arn
    seen = set()
    response = KinesisFirehoseDataTransformationResponse()
    for record in event.records:
        response.add_record(answer(record, source, seen))
    return response.asdict()


def answer(record, source, seen):
    try:
        row = Transaction.model_validate_json(record.data_as_bytes)
    except ValidationError as error:
        print(f"rejected: {error.error_count()} rules")
        return record.build_data_transformation_response(result="ProcessingFailed", data=record.data)
    metadata = record.metadata
    columns = row.model_dump()
    columns["amount"] = columns["amount"].quantize(transaction.CENT)
    row = transaction.stamped(
        transaction.derived(columns),
        source,
        arrival_ms=record.approximate_arrival_timestamp,
        sequence_number=metadata.sequence_number,
        subsequence_number=metadata.subsequence_number,
    )
    identity = row["_record_id"], row["_row_hash"]
    if identity in seen:
        return record.build_data_transformation_response(result="Dropped", data=record.data)
    seen.add(identity)
    keys = KinesisFirehoseDataTransformationRecordMetadata(partition_keys=transaction.partition_keys(row))
    data = base64_encode(transaction.line(row).decode())
    return record.build_data_transformation_response(data=data, metadata=keys)
