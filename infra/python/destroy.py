"""Takes one stage down. Keeps buckets and warehouses that hold data unless told otherwise. Knows no dataset."""

import argparse
import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

import glue_files
import notifications
import stacks
from deploy import kept_key, notification_ids
from functions import FUNCTIONS
from names import BUCKETS, STAGE, Names
from session import Session, exit_on_signals

EPILOG = """\
Buckets that are empty are deleted; those that hold objects stay, as do the quarantine's key while its bucket stays, the
namespace that a deployment made, and everything in a warehouse of yours. A later deployment of the same stage takes
them back. What waits in queues and in the stream goes: let it arrive first (`make status`). A landing bucket of yours
loses nothing but Penstock's notifications.
"""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="infra/destroy.sh",
        description="Takes one stage of Penstock down.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", default=os.environ.get("STAGE"), help="the stage [env: STAGE]")
    parser.add_argument("--endpoint-url", help="a local cloud instead of AWS")
    parser.add_argument("--delete-data", action="store_true", help="delete what holds data, too")
    args = parser.parse_args(argv)
    if not args.stage:
        parser.error("name the stage: --stage dev")
    if not STAGE.fullmatch(args.stage):
        parser.error(f"{args.stage!r} is no stage")
    return args


def destroy(args: argparse.Namespace) -> None:
    """Everything in the reverse order of the deployment; what an interrupted run left is found by its name."""
    session = Session(args.endpoint_url)
    names, cfn, s3 = session.names(args.stage), session.client("cloudformation"), session.client("s3")
    print(f"stage {args.stage}, {session.where(names.account)}", flush=True)
    foundation = stacks.read(cfn, names.own("foundation")) or stacks.Stack(status="NONE")
    given_landing = foundation.parameters.get("ExistingLandingBucket")
    told = [names.bucket(purpose) for purpose in ("stage", "lake", "curated")]
    for bucket in (given_landing or names.bucket("landing"), *told):
        silence(s3, bucket, names)
    for name in ("lake-triggers", "triggers"):
        tell(f"stack {name}", stacks.delete(cfn, names.own(name)))
    delete_functions(session.client("lambda"), args.stage)
    for name in ("lake", "streaming", "foundation"):
        tell(f"stack {name}", stacks.delete(cfn, names.own(name)))
    empty(s3, names.bucket("work"), glue_files.PREFIX)
    gone = {purpose: delete_bucket(s3, names.bucket(purpose), args.delete_data) for purpose in BUCKETS}
    if gone["quarantine"]:
        end_key(session.client("kms"), names)
    # A local cloud has no Redshift Serverless.
    if foundation.parameters.get("Warehouse", "new") == "new" and not args.endpoint_url:
        end_namespace(session.client("redshift-serverless"), names.namespace, args.delete_data)


def tell(what: str, deleted: bool) -> None:
    """Says what became of something."""
    print(f"  {what} {'deleted' if deleted else 'was not there'}", flush=True)


def silence(s3, bucket: str, names: Names) -> None:
    """Takes our notifications out of a bucket."""
    try:
        notifications.apply(s3, bucket, names.account, notification_ids(names), {"QueueConfigurations": []})
        print(f"  notifications of s3://{bucket} taken out")
    except s3.exceptions.NoSuchBucket:
        print(f"  s3://{bucket} was not there")


def delete_functions(lambda_client, stage: str) -> None:
    """The functions, which no stack owns."""
    for function in FUNCTIONS:
        name = function.deployed_name(stage)
        try:
            lambda_client.delete_function(FunctionName=name)
            tell(f"function {function.name}", deleted=True)
        except lambda_client.exceptions.ResourceNotFoundException:
            tell(f"function {function.name}", deleted=False)


def end_key(kms, names: Names) -> None:
    """The quarantine's key, once there is nothing that it could decrypt."""
    key = kept_key(kms, names).get("QuarantineKeyArn")
    if key:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        kms.delete_alias(AliasName=names.key_alias)
        print("  quarantine's key will be deleted in 7 days")


def delete_bucket(s3, bucket: str, with_data: bool) -> bool:
    """Deletes a bucket that is empty, or may be emptied; whether it is gone."""
    try:
        if with_data:
            empty(s3, bucket)
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "BucketNotEmpty":
                print(f"  s3://{bucket} kept, it holds objects")
                return False
            case "NoSuchBucket":
                return True
            case _:
                raise
    print(f"  s3://{bucket} deleted")
    return True


def empty(s3, bucket: str, prefix: str = "") -> None:
    """Deletes every object of a bucket below a prefix, a page at a time."""
    for page in pages_of(s3, bucket, prefix):
        keys = [{"Key": own["Key"]} for own in page.get("Contents", [])]
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}) if keys else {}
        for own in refused.get("Errors", [])[:1]:
            raise SystemExit(f"error: s3://{bucket}/{own['Key']}: {own.get('Message')}")


def pages_of(s3, bucket: str, prefix: str):
    """Pages of a bucket's objects; none of a bucket that is not there."""
    try:
        yield from s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    except s3.exceptions.NoSuchBucket:
        return


def end_namespace(redshift, name: str, with_data: bool) -> None:
    """The namespace that the foundation made holds the tables."""
    if not with_data:
        print(f"  Redshift Serverless namespace {name} kept, with its tables, if there was one")
        return
    try:
        redshift.delete_namespace(namespaceName=name)
        tell(f"Redshift Serverless namespace {name}", deleted=True)
    except redshift.exceptions.ResourceNotFoundException:
        tell(f"Redshift Serverless namespace {name}", deleted=False)


def main(argv: list[str] | None = None) -> None:
    """Takes the stage down."""
    exit_on_signals()
    try:
        destroy(arguments(argv))
    except (stacks.StackError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
