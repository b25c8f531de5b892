"""Clients of AWS or of a local cloud, and the care that the one is not taken for the other. Knows no service."""

import os
import signal
import sys

import botocore.session
from botocore.config import Config

from names import Names

# Left by a sourced .env.local: they lead to the local cloud.
LEADS_TO_LOCAL = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_REDSHIFT_DATA")
# What leads to a warehouse.
WAREHOUSE = ("WORKGROUP_NAME", "CLUSTER_IDENTIFIER", "SECRET_ARN", "DATABASE")


class Session:
    """Makes clients for one account and region."""

    def __init__(self, endpoint_url: str | None):
        if endpoint_url is None:
            refuse_local_shell()
        self.endpoint_url = endpoint_url
        self.session = botocore.session.get_session()
        region = os.environ.get("AWS_REGION") or self.session.get_config_variable("region")
        if not region:
            sys.exit("error: no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one")
        self.region = region

    def client(self, service: str):
        """A client; a local cloud's buckets are addressed by path, as their names do not resolve."""
        config = Config(s3={"addressing_style": "path"}) if self.endpoint_url else None
        return self.session.create_client(
            service, region_name=self.region, endpoint_url=self.endpoint_url, config=config
        )

    def names(self, stage: str) -> Names:
        """Names of a stage here."""
        return Names(stage, self.client("sts").get_caller_identity()["Account"], self.region)

    def where(self, account: str) -> str:
        """Account and region, for people."""
        place = f"local cloud {self.endpoint_url}" if self.endpoint_url else f"AWS account {account}"
        return f"{place}, region {self.region}"


def exit_on_signals() -> None:
    """Lets SIGTERM and Ctrl-C end this process in order, with everything that is to be done at the end."""

    def end(number: int, _frame) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)


def refuse_local_shell() -> None:
    """A shell that sourced .env.local must not be taken for one that leads to AWS."""
    found = [name for name in LEADS_TO_LOCAL if os.environ.get(name)]
    if found:
        sys.exit(
            f"error: {' and '.join(found)} is set, so this shell leads to a local cloud (.env.local): "
            "take another shell for AWS, or say --endpoint-url"
        )
