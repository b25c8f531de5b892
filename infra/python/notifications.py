"""Merges one stage's notifications into a bucket's configuration, which may hold those of others. Knows no route."""

from botocore.exceptions import ClientError

KINDS = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations", "EventBridgeConfiguration")


CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


def queue(name: str, queue_arn: str, prefix: str = "", events: tuple[str, ...] = (CREATED,)) -> dict:
    """The notification of every new object under a prefix to a queue."""
    own = {"Id": name, "QueueArn": queue_arn, "Events": list(events)}
    rules = {"FilterRules": [{"Name": "prefix", "Value": prefix}]}
    return own | ({"Filter": {"Key": rules}} if prefix else {})


def to_event_bridge(queues: list[dict]) -> dict:
    """These notifications, and EventBridge is told of everything as well."""
    return {"QueueConfigurations": queues, "EventBridgeConfiguration": {}}


def merged(there: dict, own_ids: set[str], wanted: dict) -> dict:
    """The configuration with our entries replaced by those wanted, and everybody else's as they are. EventBridge stays
    told where it is: somebody else may have asked for it, and it costs nothing."""
    config = {kind: own[kind] for own in (there, wanted) for kind in KINDS if kind in own}
    others = [entry for entry in there.get("QueueConfigurations", []) if entry["Id"] not in own_ids]
    config["QueueConfigurations"] = others + wanted["QueueConfigurations"]
    if not config["QueueConfigurations"]:
        del config["QueueConfigurations"]
    return config


def comparable(config: dict) -> dict:
    """A configuration in a form in which equal ones are equal: S3 is free in order and in the case of names."""

    def entry(own: dict) -> tuple:
        rules = own.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        target = next(own[key] for key in ("QueueArn", "TopicArn", "LambdaFunctionArn") if key in own)
        filters = sorted((rule["Name"].lower(), rule["Value"]) for rule in rules)
        return (own["Id"], target, tuple(sorted(own["Events"])), tuple(filters))

    lists = {kind: sorted(entry(own) for own in config.get(kind, [])) for kind in KINDS[:3]}
    return {**lists, "EventBridge": "EventBridgeConfiguration" in config}


def apply(s3, bucket: str, owner: str, own_ids: set[str], wanted: dict) -> bool:
    """Brings a bucket's entries with our ids to what is wanted, in the form of S3; whether that changed anything."""
    there = s3.get_bucket_notification_configuration(Bucket=bucket, ExpectedBucketOwner=owner)
    config = merged(there, own_ids, wanted)
    if comparable(config) == comparable(there):
        return False
    try:
        s3.put_bucket_notification_configuration(
            Bucket=bucket, ExpectedBucketOwner=owner, NotificationConfiguration=config
        )
    except ClientError as error:
        # S3 takes no two notifications of one event whose prefixes overlap.
        raise SystemExit(f"error: notifications of s3://{bucket}: {error}") from error
    return True
