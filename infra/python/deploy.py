"""Deploys one stage: contracts, foundation, streaming, lake, tables, functions, triggers, notifications. Knows no
dataset's columns."""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import copy_role
import functions
import glue_files
import notifications
import stacks
from functions import DATABASE_USERS, FUNCTIONS, ROOT
from names import BUCKETS, STAGE, Names
from session import WAREHOUSE, Session, exit_on_signals

# First segment of a key of the landing bucket, and the output that holds the ARN of the queue that is told.
ROUTES = {
    "queue": "S3ToSqsFifoEventsArn",
    "copy": "S3ToRedshiftCopyEventsArn",
    "stream": "S3ToKinesisEventsArn",
    "lake": "S3ToLakeEventsArn",
}
# The queue that is told of everything in the stage bucket.
STAGE_BUCKET_EVENTS = ROUTES["copy"]
# Buckets that a crawler reads, and the output that holds the ARN of the queue of its events.
CRAWLED = {"lake": "LakeCrawlEventsArn", "curated": "CuratedCrawlEventsArn"}
TEMPLATES = ("foundation", "streaming", "lake", "triggers", "lake-triggers")
# Variables that are not of buckets, queues or the warehouse, and the outputs that hold them.
OTHERS = {
    "COPY_ROLE_ARN": "CopyRoleArn",
    "STREAM_NAME": "StreamName",
    "DELIVERY_STREAM_NAME": "DeliveryStreamName",
    "GLUE_JOB_NAME": "GlueJobName",
    "CRAWLER_NAME": "CrawlerName",
    "CURATED_CRAWLER_NAME": "CuratedCrawlerName",
    "GLUE_DATABASE": "GlueDatabase",
    "ATHENA_WORKGROUP": "AthenaWorkgroup",
    "SPECTRUM_ROLE_ARN": "SpectrumRoleArn",
}

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
    parser.add_argument(
        "--models", type=Path, metavar="DIR", default=functions.MODELS, help="the models [infra/redshift/models]"
    )
    parser.add_argument("--no-migrate", action="store_true", help="leave the warehouse's tables alone")
    parser.add_argument(
        "--arch", choices=["x86_64", "arm64"], help="processor of the functions [as deployed, at first x86_64]"
    )
    parser.add_argument(
        "--binaries", type=Path, metavar="DIR", help="take the functions from here, as plain cargo built them"
    )
    args = parser.parse_args(argv)
    if not args.stage:
        parser.error("name the stage: --stage dev")
    if not STAGE.fullmatch(args.stage):
        parser.error(f"the stage is at most 12 of a-z, 0-9 and -, and begins with a letter, not {args.stage!r}")
    if args.endpoint_url and not os.environ.get("AWS_ENDPOINT_URL_REDSHIFT_DATA"):
        parser.error("a local cloud needs AWS_ENDPOINT_URL_REDSHIFT_DATA, the URL of redshift-local")
    if args.workgroup and args.cluster:
        parser.error("--workgroup and --cluster exclude each other")
    args.contracts, args.models = args.contracts.resolve(), args.models.resolve()
    if not functions.contract_files(args.contracts):
        parser.error(f"{args.contracts} holds no *.odcs.yaml")
    return args


def parameters(args: argparse.Namespace, session: Session) -> dict[str, str]:
    """What the command line says of the templates' parameters."""
    given = {"Stage": args.stage}
    if args.endpoint_url:
        given["Cloud"] = "local"
    if args.landing_bucket is not None:
        given["ExistingLandingBucket"] = args.landing_bucket
    if args.workgroup or args.cluster:
        # Another warehouse's secret would not open this one.
        given["SecretArn"] = ""
    if args.workgroup:
        given |= {"Warehouse": "workgroup", "WorkgroupName": args.workgroup}
        if not args.endpoint_url:
            found = session.client("redshift-serverless").get_workgroup(workgroupName=args.workgroup)
            given["WorkgroupArn"] = found["workgroup"]["workgroupArn"]
    if args.cluster:
        given |= {"Warehouse": "cluster", "ClusterIdentifier": args.cluster}
    if args.secret is not None:
        given["SecretArn"] = args.secret
    known = set().union(*(stacks.parameters_of(template(name)) for name in TEMPLATES))
    for pair in args.set:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            sys.exit(f"error: --set {pair}: the templates' parameters are {', '.join(sorted(known))}")
        given[name] = value
    return given


def kept_key(kms, names: Names) -> dict[str, str]:
    """The quarantine's key that an earlier deployment of the stage left with its rejects."""
    try:
        return {"QuarantineKeyArn": kms.describe_key(KeyId=names.key_alias)["KeyMetadata"]["Arn"]}
    except kms.exceptions.NotFoundException:
        return {}


def template(name: str) -> Path:
    """Path of a template."""
    return ROOT / "infra" / f"{name}.yaml"


def target_dir() -> Path:
    """Cargo's target folder."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def build(args: argparse.Namespace, arch: str) -> tuple[Path, Path]:
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
    command += ["--arm64"] if arch == "arm64" else ["--x86-64"]
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


def handed_on(foundation: stacks.Stack) -> dict[str, str]:
    """What the templates of routes know of the foundation."""
    own, out = foundation.parameters, foundation.outputs
    found = {"LandingBucket": out["LandingBucketName"], "QuarantineKeyArn": out["QuarantineKeyArn"]}
    return found | {name: own[name] for name in ("LandingKeyArn", "LogDays")}


def variables_of(foundation: stacks.Stack, streaming: stacks.Stack, lake: stacks.Stack) -> dict[str, str]:
    """The environment of every function: the same names everywhere, also in .env.local."""
    out = foundation.outputs | streaming.outputs | lake.outputs
    found = {f"{purpose.upper()}_BUCKET": out[f"{purpose.capitalize()}BucketName"] for purpose in BUCKETS}
    routes = ("LOAD", "COPY", "STREAM", "LAKE", "GLUE")
    queues = {f"{route}_QUEUE_URL": out[f"{route.capitalize()}QueueUrl"] for route in routes}
    others = {name: out[output] for name, output in OTHERS.items()}
    return found | queues | others | warehouse_of(foundation)


def administrator_of(foundation: stacks.Stack, session: Session) -> dict[str, str]:
    """Variables of who made the tables: in a workgroup of ours its administrator, who owns them."""
    if foundation.parameters["Warehouse"] != "new":
        return {}
    name = foundation.outputs["WarehouseName"]
    found = session.client("redshift-serverless").get_namespace(namespaceName=name)
    return {"SECRET_ARN": found["namespace"]["adminPasswordSecretArn"]}


def migrate(
    penstock: Path, foundation: stacks.Stack, variables: dict[str, str], args: argparse.Namespace, session: Session
) -> tuple[str, bool]:
    """Makes the tables, and lets the roles of those who load use them."""
    variables = {**variables, **administrator_of(foundation, session), "AWS_REGION": session.region}
    command = [str(penstock), "migrate", "--models", str(args.models), str(args.contracts)]
    if not foundation.parameters.get("SecretArn"):
        for function in DATABASE_USERS:
            command += ["--role", function.deployed_name(args.stage)]
    last = run_penstock(command, variables).strip().splitlines()[-1]
    return last, " 0 created, 0 altered, " not in last


def catalog(penstock: Path, variables: dict[str, str], args: argparse.Namespace, session: Session) -> tuple[str, bool]:
    """Makes the lake's tables in the Glue catalog."""
    variables = {**variables, "AWS_REGION": session.region}
    last = run_penstock([str(penstock), "catalog", "--apply", str(args.contracts)], variables).strip().splitlines()[-1]
    return last, " 0 created, 0 updated" not in last


def check_contracts(penstock: Path, contracts: Path, models: Path) -> None:
    """By the standard's own schema, which knows every key, and by Penstock's rules."""
    files = [str(path) for path in functions.contract_files(contracts)]
    standard = [sys.executable, str(ROOT / "tests" / "python" / "odcs_check.py"), *files]
    for command in (standard, [str(penstock), "check", "--models", str(models), str(contracts)]):
        run_penstock(command, {})


def run_penstock(command: list[str], variables: dict[str, str]) -> str:
    """What the penstock command says; its errors end the deployment."""
    # A sourced .env.local must not lead to another warehouse than the stage's.
    inherited = {key: value for key, value in os.environ.items() if key not in WAREHOUSE}
    done = subprocess.run(command, env={**inherited, **variables}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}")
    return done.stdout


def deploy(args: argparse.Namespace, steps: Steps) -> dict[str, str]:
    """The whole deployment; gives the functions' variables."""
    session = Session(args.endpoint_url)
    names = session.names(args.stage)
    print(f"stage {args.stage}, {session.where(names.account)}", flush=True)
    # Cargo shows its own progress.
    bootstraps, penstock = build(args, args.arch or deployed_arch(session.client("lambda"), args.stage))
    steps.step("contracts", lambda: (check_contracts(penstock, args.contracts, args.models), "valid"))
    given, cfn = parameters(args, session), session.client("cloudformation")
    before = stacks.read(cfn, names.own("foundation"))
    if stacks.is_new(before):
        given |= kept_key(session.client("kms"), names)

    def stack(name: str, values: dict[str, str]):
        found = stacks.apply(cfn, names.own(name), template(name), values, names.in_templates)
        return found, found.changed

    foundation = steps.step("stack foundation", lambda: stack("foundation", given))
    given_on, s3 = given | handed_on(foundation), session.client("s3")
    streaming = steps.step("stack streaming", lambda: stack("streaming", given_on))
    work = foundation.outputs["WorkBucketName"]
    glue = steps.step("Glue job's files", lambda: glue_files.put(s3, work, names.account))
    lake = steps.step("stack lake", lambda: stack("lake", given_on | glue))
    variables = variables_of(foundation, streaming, lake)
    if not args.no_migrate:
        steps.step("tables", lambda: migrate(penstock, foundation, variables, args, session))
    steps.step("catalog", lambda: catalog(penstock, variables, args, session))
    variables |= {"CONTRACTS_DIR": args.contracts.name, "MODELS_DIR": functions.MODELS_IN_ZIP}
    if args.endpoint_url:
        # A local warehouse has an endpoint of its own, which MiniStack does not know.
        variables["AWS_ENDPOINT_URL_REDSHIFT_DATA"] = os.environ["AWS_ENDPOINT_URL_REDSHIFT_DATA"]
    outputs = foundation.outputs | streaming.outputs | lake.outputs
    target = functions.Target(
        args.stage, args.endpoint_url, variables, outputs, bootstraps, args.contracts, args.models
    )
    for function in FUNCTIONS:
        work = partial(functions.deploy, session.client("lambda"), function, target)
        steps.step(f"function {function.name}", lambda work=work: (None, work()))
    for name in ("triggers", "lake-triggers"):
        steps.step(f"stack {name}", lambda name=name: stack(name, given))
    steps.step("notifications", lambda: (None, notify(s3, outputs, before, names)))
    # In a workgroup of ours the foundation attached it.
    if not args.endpoint_url and foundation.parameters["Warehouse"] != "new":
        hint = copy_role.hint(session, warehouse_of(foundation), foundation.outputs["CopyRoleArn"])
        print(hint or "COPY's role is attached to the warehouse")
    return variables


def deployed_arch(lambda_client, stage: str) -> str:
    """Processor of the functions as they are deployed."""
    there = functions.read(lambda_client, FUNCTIONS[0].deployed_name(stage))
    return there["Configuration"].get("Architectures", ["x86_64"])[0] if there else "x86_64"


def notification_ids(names: Names) -> set[str]:
    """Ids of the stage's notifications: one a route, by the first segment of the key, that of the stage bucket, and one
    a crawler."""
    return {names.own(own) for own in (*ROUTES, "stage", *(f"{purpose}-crawl" for purpose in CRAWLED))}


def notify(s3, out: dict[str, str], before: stacks.Stack | None, names: Names) -> bool:
    """Has new objects told; a landing bucket that is no longer used tells nothing any more."""
    ids = notification_ids(names)
    landing, old = out["LandingBucketName"], before.outputs.get("LandingBucketName") if before else None
    routes = [notifications.queue(names.own(route), out[queue], f"{route}/") for route, queue in ROUTES.items()]
    stage = [notifications.queue(names.own("stage"), out[STAGE_BUCKET_EVENTS])]
    wanted = {landing: {"QueueConfigurations": routes}, out["StageBucketName"]: notifications.to_event_bridge(stage)}
    changes = (notifications.CREATED, notifications.REMOVED)
    for purpose, queue in CRAWLED.items():
        crawl = notifications.queue(names.own(f"{purpose}-crawl"), out[queue], events=changes)
        wanted[names.bucket(purpose)] = notifications.to_event_bridge([crawl])
    if old not in (None, landing):
        wanted[old] = {"QueueConfigurations": []}
    return any([notifications.apply(s3, bucket, names.account, ids, own) for bucket, own in wanted.items()])


def main(argv: list[str] | None = None) -> None:
    """Deploys, and says where files go."""
    args = arguments(argv)
    steps = Steps()
    exit_on_signals()
    try:
        variables = deploy(args, steps)
    except (stacks.StackError, functions.DeployError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(error.cmd[:4])} failed with exit code {error.returncode}")
    print("done" if steps.changed else "done: nothing had to be changed")
    for route in ROUTES:
        print(f"drop files into s3://{variables['LANDING_BUCKET']}/{route}/<dataset>/")


if __name__ == "__main__":
    main()
