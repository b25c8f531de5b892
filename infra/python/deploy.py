"""Deploys one stage: contracts, foundation, tables, functions, triggers, notifications. Knows no dataset's columns."""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import botocore.session
import functions
import notifications
import stacks
from botocore.exceptions import BotoCoreError, ClientError
from functions import FUNCTIONS, ROOT

EPILOG = """\
Credentials and region are those of the AWS CLI (AWS_PROFILE, AWS_REGION). Everything may be run again: what is as it
should be stays untouched. Parameters of the templates that are not given keep the values of the last deployment.

Warehouse: without --workgroup and --cluster the first deployment makes a Redshift Serverless workgroup. Tables are made
by `penstock migrate` as the workgroup's administrator, or with --secret as its user, or as you.
"""


class Steps:
    """Prints each step with what came of it and how long it took."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.changed = False

    def step(self, name: str, work) -> object:
        """Runs a step; `work` gives a result and whether something changed, or a word for it."""
        started = time.monotonic()
        self.out.write(f"  {name:<36}")
        self.out.flush()
        try:
            result, word = work()
        except BaseException:
            self.out.write("failed\n")
            self.out.flush()
            raise
        if not isinstance(word, str):
            self.changed = self.changed or word
            word = "changed" if word else "unchanged"
        self.out.write(f"{word:<12}{time.monotonic() - started:6.1f} s\n")
        self.out.flush()
        return result


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="infra/deploy.sh",
        description="Deploys one stage of Penstock to AWS or to a local cloud.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", default=os.environ.get("STAGE"), help="part of every name [env: STAGE]")
    parser.add_argument("--endpoint-url", help="a local cloud instead of AWS")
    parser.add_argument("--landing-bucket", metavar="NAME", help="take files from this bucket of yours")
    parser.add_argument("--workgroup", metavar="NAME", help="load into this Redshift Serverless workgroup")
    parser.add_argument("--cluster", metavar="ID", help="load into this provisioned cluster")
    parser.add_argument("--secret", metavar="ARN", help="Secrets Manager secret of the database user that loads")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="any other parameter of the templates"
    )
    parser.add_argument(
        "--contracts", type=Path, metavar="DIR", default=functions.CONTRACTS, help="the contracts [infra/contracts]"
    )
    parser.add_argument("--no-migrate", action="store_true", help="leave the warehouse's tables alone")
    parser.add_argument(
        "--arch", choices=["x86_64", "arm64"], default="x86_64", help="processor of the functions [x86_64]"
    )
    parser.add_argument(
        "--binaries", type=Path, metavar="DIR", help="take the functions from here, as plain cargo built them"
    )
    args = parser.parse_args(argv)
    if not args.stage:
        parser.error("name the stage: --stage dev")
    if args.workgroup and args.cluster:
        parser.error("--workgroup and --cluster exclude each other")
    args.contracts = args.contracts.resolve()
    if not functions.contract_files(args.contracts):
        parser.error(f"{args.contracts} holds no *.odcs.yaml")
    return args


def clients(endpoint_url: str | None) -> tuple:
    """A maker of clients and the region."""
    session = botocore.session.get_session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        sys.exit("error: no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one")
    return (lambda service: session.create_client(service, region_name=region, endpoint_url=endpoint_url)), region


def parameters(args: argparse.Namespace, client) -> dict[str, str]:
    """What the command line says of the templates' parameters."""
    given = {"Stage": args.stage}
    if args.endpoint_url:
        given["Cloud"] = "local"
    if args.landing_bucket is not None:
        given["ExistingLandingBucket"] = args.landing_bucket
    if args.workgroup:
        given |= {"Warehouse": "workgroup", "WorkgroupName": args.workgroup}
        if not args.endpoint_url:
            found = client("redshift-serverless").get_workgroup(workgroupName=args.workgroup)
            given["WorkgroupArn"] = found["workgroup"]["workgroupArn"]
    if args.cluster:
        given |= {"Warehouse": "cluster", "ClusterIdentifier": args.cluster}
    if args.secret is not None:
        given["SecretArn"] = args.secret
    known = stacks.parameters_of(template("foundation")) | stacks.parameters_of(template("triggers"))
    for pair in args.set:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            sys.exit(f"error: --set {pair}: the templates' parameters are {', '.join(sorted(known))}")
        given[name] = value
    return given


def kept_key(kms, stage: str) -> dict[str, str]:
    """The quarantine's key that an earlier deployment of the stage left with its rejects."""
    try:
        return {"QuarantineKeyArn": kms.describe_key(KeyId=key_alias(stage))["KeyMetadata"]["Arn"]}
    except kms.exceptions.NotFoundException:
        return {}


def key_alias(stage: str) -> str:
    """Name of the quarantine's key."""
    return f"alias/penstock-{stage}-quarantine"


def template(name: str) -> Path:
    """Path of a template."""
    return ROOT / "infra" / f"{name}.yaml"


def target_dir() -> Path:
    """Cargo's target folder."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def build(args: argparse.Namespace) -> tuple[Path, Path]:
    """The functions, each as DIR/<name>/bootstrap, and the penstock command."""
    names = [function.name for function in FUNCTIONS]
    if args.binaries:
        binaries = args.binaries.resolve()
        bootstraps = binaries / "lambda"
        for name in names:
            stripped(binaries / name, bootstraps / name / "bootstrap")
        return bootstraps, binaries / "penstock"
    command = ["cargo", "build", "--profile", "ci", "--locked", "--package", "penstock"]
    subprocess.run(command, cwd=ROOT, check=True)
    command = ["cargo", "lambda", "build", "--release", "--locked"]
    command += [flag for name in names for flag in ("--bin", name)]
    command += ["--arm64"] if args.arch == "arm64" else ["--x86-64"]
    subprocess.run(command, cwd=ROOT, env=functions.tool_env(), check=True)
    return target_dir() / "lambda", target_dir() / "ci" / "penstock"


def stripped(binary: Path, bootstrap: Path) -> None:
    """A copy without debug information, made anew only when the binary is newer."""
    if bootstrap.exists() and bootstrap.stat().st_mtime_ns >= binary.stat().st_mtime_ns:
        return
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    # Another deployment may be reading it.
    part = bootstrap.with_name(f"bootstrap.{os.getpid()}")
    subprocess.run(["strip", "-o", str(part), str(binary)], check=True)
    part.replace(bootstrap)


def warehouse_of(foundation: stacks.Stack) -> dict[str, str]:
    """The variables that lead to the warehouse."""
    own = foundation.parameters
    kind = "CLUSTER_IDENTIFIER" if own["Warehouse"] == "cluster" else "WORKGROUP_NAME"
    found = {kind: foundation.outputs["WarehouseName"], "DATABASE": own["Database"]}
    return found | ({"SECRET_ARN": own["SecretArn"]} if own.get("SecretArn") else {})


def variables_of(foundation: stacks.Stack) -> dict[str, str]:
    """The environment of every function: the same names everywhere, also in .env.local."""
    out = foundation.outputs
    buckets = ("Landing", "Stage", "Work", "Curated", "Lake", "Quarantine")
    found = {f"{name.upper()}_BUCKET": out[f"{name}BucketName"] for name in buckets}
    found |= {"LOAD_QUEUE_URL": out["LoadQueueUrl"], **warehouse_of(foundation)}
    # A local warehouse has an endpoint of its own, which MiniStack does not know.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_REDSHIFT_DATA")
    return found | ({"AWS_ENDPOINT_URL_REDSHIFT_DATA": endpoint} if endpoint else {})


def migrate(penstock: Path, foundation: stacks.Stack, args: argparse.Namespace, region: str, client) -> tuple[str, str]:
    """Makes the tables, and lets the loader's role use them."""
    variables = variables_of(foundation)
    command = [str(penstock), "migrate", str(args.contracts)]
    if foundation.parameters["Warehouse"] == "new":
        found = client("redshift-serverless").get_namespace(namespaceName=f"penstock-{args.stage}")
        variables["SECRET_ARN"] = found["namespace"]["adminPasswordSecretArn"]
    if not foundation.parameters.get("SecretArn"):
        command += ["--role", f"penstock-{args.stage}-sqs-fifo-to-redshift"]
    done = run_penstock(command, {**variables, "AWS_REGION": region})
    last = done.strip().splitlines()[-1]
    return last, " 0 created, " not in last


def run_penstock(command: list[str], variables: dict[str, str]) -> str:
    """What the penstock command says; its errors end the deployment."""
    # A sourced .env.local must not lead to another warehouse than the stage's.
    foreign = ("WORKGROUP_NAME", "CLUSTER_IDENTIFIER", "SECRET_ARN", "DATABASE")
    inherited = {key: value for key, value in os.environ.items() if key not in foreign}
    done = subprocess.run(command, env={**inherited, **variables}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}")
    return done.stdout


def deploy(args: argparse.Namespace, steps: Steps) -> dict[str, str]:
    """The whole deployment; gives the functions' variables."""
    client, region = clients(args.endpoint_url)
    account = client("sts").get_caller_identity()["Account"]
    where = f"local cloud {args.endpoint_url}" if args.endpoint_url else f"AWS account {account}"
    print(f"stage {args.stage}, {where}, region {region}", flush=True)
    # Cargo shows its own progress.
    bootstraps, penstock = build(args)
    steps.step("contracts", lambda: (run_penstock([str(penstock), "check", str(args.contracts)], {}), "valid"))
    given, cfn = parameters(args, client), client("cloudformation")
    if stacks.read(cfn, f"penstock-{args.stage}-foundation") is None:
        given |= kept_key(client("kms"), args.stage)

    names = {"Stage": args.stage, "AWS::AccountId": account, "AWS::Region": region}

    def stack(name: str):
        found = stacks.apply(cfn, f"penstock-{args.stage}-{name}", template(name), given, names)
        return found, found.changed

    foundation = steps.step("stack foundation", lambda: stack("foundation"))
    if not args.no_migrate:
        steps.step("tables", lambda: migrate(penstock, foundation, args, region, client))
    variables = variables_of(foundation) | {"CONTRACTS_DIR": args.contracts.name}
    target = functions.Target(args.stage, args.endpoint_url, variables, foundation.outputs, bootstraps, args.contracts)
    for function in FUNCTIONS:
        work = partial(functions.deploy, client("lambda"), function, target)
        steps.step(f"function {function.name}", lambda work=work: (None, work()))
    steps.step("stack triggers", lambda: stack("triggers"))
    steps.step("notifications", lambda: (None, notify(client("s3"), foundation, args.stage, account)))
    return variables


def notify(s3, foundation: stacks.Stack, stage: str, account: str) -> bool:
    """One notification a route, by the first segment of the key."""
    own = f"penstock-{stage}-"
    routes = [notifications.queue(f"{own}queue", foundation.outputs["S3ToSqsFifoEventsArn"], "queue/")]
    return notifications.apply(s3, foundation.outputs["LandingBucketName"], account, own, routes)


def main(argv: list[str] | None = None) -> None:
    """Deploys, and says where files go."""
    args = arguments(argv)
    steps = Steps()
    try:
        variables = deploy(args, steps)
    except (stacks.StackError, functions.DeployError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(error.cmd[:4])} failed with exit code {error.returncode}")
    print("done" if steps.changed else "done: nothing had to be changed")
    print(f"drop files into s3://{variables['LANDING_BUCKET']}/queue/<dataset>/")


if __name__ == "__main__":
    main()
