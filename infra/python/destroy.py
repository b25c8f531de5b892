"""Takes one stage down. Keeps buckets and warehouses that hold data unless told otherwise. Knows no dataset."""

import argparse
import os
import sys

import notifications
import stacks
from botocore.exceptions import BotoCoreError, ClientError
from deploy import clients, kept_key, key_alias
from functions import FUNCTIONS

EPILOG = """\
Buckets that are empty are deleted; those that hold objects stay, as do the quarantine's key while its bucket stays, the
namespace that a deployment made, and everything in a warehouse of yours. A later deployment of the same stage takes
them back. A landing bucket of yours loses nothing but Penstock's notifications.
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
    return args


def destroy(args: argparse.Namespace) -> None:
    """Everything in the reverse order of the deployment."""
    client, _ = clients(args.endpoint_url)
    cfn, own = client("cloudformation"), f"penstock-{args.stage}-"
    foundation = stacks.read(cfn, f"{own}foundation")
    if foundation is None:
        sys.exit(f"error: there is no stack {own}foundation")
    account = client("sts").get_caller_identity()["Account"]
    out = foundation.outputs
    if "LandingBucketName" in out:
        notifications.apply(client("s3"), out["LandingBucketName"], account, own, [])
        print("  notifications taken out")
    stacks.delete(cfn, f"{own}triggers")
    print("  stack triggers deleted")
    delete_functions(client("lambda"), args.stage)
    stacks.delete(cfn, f"{own}foundation")
    print("  stack foundation deleted")
    buckets = [out[name] for name in sorted(out) if name.endswith("BucketName")]
    if foundation.parameters.get("ExistingLandingBucket"):
        buckets.remove(out["LandingBucketName"])
    kept = [bucket for bucket in buckets if not delete_bucket(client("s3"), bucket, args.delete_data)]
    if out.get("QuarantineBucketName") not in kept:
        end_key(client("kms"), args.stage)
    if foundation.parameters.get("Warehouse") == "new":
        end_namespace(client("redshift-serverless"), args.stage, args.delete_data)


def delete_functions(lambda_client, stage: str) -> None:
    """The functions, which no stack owns."""
    for function in FUNCTIONS:
        name = function.deployed_name(stage)
        try:
            lambda_client.delete_function(FunctionName=name)
            print(f"  function {function.name} deleted")
        except lambda_client.exceptions.ResourceNotFoundException:
            print(f"  function {function.name} was not there")


def end_key(kms, stage: str) -> None:
    """The quarantine's key, once there is nothing that it could decrypt."""
    key = kept_key(kms, stage).get("QuarantineKeyArn")
    if key:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        kms.delete_alias(AliasName=key_alias(stage))
        print("  quarantine's key will be deleted in 7 days")


def delete_bucket(s3, bucket: str, with_data: bool) -> bool:
    """Deletes a bucket that is empty, or may be emptied; whether it is gone."""
    try:
        objects = [own for page in pages(s3, bucket) for own in page.get("Contents", [])] if with_data else []
        for start in range(0, len(objects), 1000):
            batch = [{"Key": own["Key"]} for own in objects[start : start + 1000]]
            refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True}).get("Errors", [])
            if refused:
                raise SystemExit(f"error: s3://{bucket}/{refused[0]['Key']}: {refused[0].get('Message')}")
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


def pages(s3, bucket: str):
    """The pages of a bucket's listing."""
    return s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)


def end_namespace(redshift, stage: str, with_data: bool) -> None:
    """The namespace that the foundation made holds the tables."""
    name = f"penstock-{stage}"
    if not with_data:
        print(f"  Redshift Serverless namespace {name} kept, with its tables")
        return
    redshift.delete_namespace(namespaceName=name)
    print(f"  Redshift Serverless namespace {name} deleted")


def main(argv: list[str] | None = None) -> None:
    """Takes the stage down."""
    try:
        destroy(arguments(argv))
    except (stacks.StackError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
