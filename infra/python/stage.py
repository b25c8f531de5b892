"""Runs a command with the environment of a stage: of the local cloud, or of a stage on AWS. Knows no command."""

import argparse
import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

import deploy
import local_cloud
import stacks
from names import own_name
from session import WAREHOUSE, Session


def variables(stage: str, with_warehouse: bool) -> dict[str, str]:
    """What leads to the local cloud, or to a stage that was deployed to AWS; its warehouse as who made its tables."""
    # What was set before could lead to another warehouse.
    for name in WAREHOUSE:
        os.environ.pop(name, None)
    if stage in ("", "local"):
        for name in local_cloud.FOREIGN:
            os.environ.pop(name, None)
        return local_cloud.read_env_file()
    session = Session(None)
    own = [stack(session, own_name(stage, name)) for name in ("foundation", "streaming", "lake")]
    print(f"stage {stage} on AWS, region {session.region}", file=sys.stderr)
    warehouse = deploy.administrator_of(own[0], session) if with_warehouse else {}
    return {**deploy.variables_of(*own), **warehouse, "AWS_REGION": session.region}


def stack(session: Session, name: str) -> stacks.Stack:
    """A stack of a stage that was deployed."""
    found = stacks.read(session.client("cloudformation"), name)
    if found is None:
        hint = "a stage of an earlier version has to be deployed once more"
        sys.exit(f"error: there is no such stage in region {session.region}: no stack {name} ({hint})")
    return found


def main() -> None:
    """Replaces itself by the command."""
    parser = argparse.ArgumentParser(prog="stage.py", description="Runs a command with the environment of a stage.")
    parser.add_argument("--stage", default="", help="a stage on AWS; the local cloud without it")
    parser.add_argument("--no-warehouse", action="store_true", help="for those who may read rejects alone")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    args = parser.parse_args()
    try:
        os.environ.update(variables(args.stage, not args.no_warehouse))
        os.execvp(args.command[0], args.command)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {args.command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
