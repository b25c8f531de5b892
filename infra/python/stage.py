"""Runs a command with the environment of a stage: of the local cloud, or of a stage on AWS. Knows no command."""

import argparse
import os
import sys

import deploy
import local_cloud
import stacks


def variables(stage: str | None) -> dict[str, str]:
    """What leads to the local cloud, or to a stage that was deployed to AWS."""
    if not stage or stage == "local":
        return local_cloud.read_env_file()
    client, region = deploy.clients(None)
    foundation = stacks.read(client("cloudformation"), f"penstock-{stage}-foundation")
    if foundation is None:
        sys.exit(f"error: there is no stage {stage} in region {region}: no stack penstock-{stage}-foundation")
    return deploy.variables_of(foundation) | {"AWS_REGION": region}


def main() -> None:
    """Replaces itself by the command."""
    parser = argparse.ArgumentParser(prog="stage.py", description="Runs a command with the environment of a stage.")
    parser.add_argument("--stage", default="", help="a stage on AWS; the local cloud without it")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    args = parser.parse_args()
    os.environ.update(variables(args.stage))
    try:
        os.execvp(args.command[0], args.command)
    except OSError as error:
        sys.exit(f"error: {args.command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
