"""The functions of Penstock and how one is deployed with cargo-lambda. Knows no template and no AWS account."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from names import own_name

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "infra" / "contracts"
MODELS = ROOT / "infra" / "redshift" / "models"
# Where a function has the models: beside its bootstrap, as it has the contracts.
MODELS_IN_ZIP = "models"
# Holds a hash of everything that was deployed, so that the same is not deployed twice.
FINGERPRINT = "penstock:fingerprint"


@dataclass(frozen=True)
class Function:
    """A function's size. `timeout` is in seconds; its queue's visibility timeout in the templates is 6 times that."""

    name: str
    role_output: str
    memory_mb: int
    timeout: int
    # Whether it sends messages to its own queue, which Lambda takes for an endless loop unless it is told.
    sends_to_itself: bool = False

    def deployed_name(self, stage: str) -> str:
        """Its name in a stage, which is its role's name too."""
        return own_name(stage, self.name)


# In the order of deployment, those who take rows before those who send them: rows of a contract that the loader does
# not know yet would wait in its queue, and Firehose would keep them as failed.
LOADER = Function("sqs-fifo-to-redshift", "SqsFifoToRedshiftRoleArn", memory_mb=512, timeout=300)
# A file that is too much for one invocation is read in as few as there can be.
COPIER = Function("s3-to-redshift-copy", "S3ToRedshiftCopyRoleArn", memory_mb=1024, timeout=900, sends_to_itself=True)
FUNCTIONS = [
    LOADER,
    COPIER,
    Function("firehose-transform", "FirehoseTransformRoleArn", memory_mb=512, timeout=60),
    Function("glue-job-starter", "GlueJobStarterRoleArn", memory_mb=256, timeout=60),
    Function("s3-to-lake", "S3ToLakeRoleArn", memory_mb=1024, timeout=900),
    Function("s3-to-sqs-fifo", "S3ToSqsFifoRoleArn", memory_mb=512, timeout=300),
    Function("s3-to-kinesis", "S3ToKinesisRoleArn", memory_mb=1024, timeout=900, sends_to_itself=True),
]
# Those that are users of the warehouse by their roles.
DATABASE_USERS = [LOADER, COPIER]


class DeployError(Exception):
    """A function could not be built or deployed."""


@dataclass(frozen=True)
class Target:
    """Where functions go, and with what."""

    stage: str
    endpoint_url: str | None
    variables: dict[str, str]
    roles: dict[str, str]
    binaries: Path
    contracts: Path
    models: Path

    def files(self) -> dict[str, Path]:
        """What lies beside the bootstrap, by its name in the zip."""
        own = {f"{self.contracts.name}/{path.name}": path for path in contract_files(self.contracts)}
        return own | {f"{MODELS_IN_ZIP}/{path.name}": path for path in model_files(self.models)}


def deploy(lambda_client, function: Function, target: Target) -> bool:
    """Deploys a function; False when it is deployed already, exactly like this."""
    deployed = deploy_code(lambda_client, function, target)
    return set_recursion(lambda_client, function, function.deployed_name(target.stage)) or deployed


def deploy_code(lambda_client, function: Function, target: Target) -> bool:
    """Deploys code and settings; False when they are there already."""
    name, role = function.deployed_name(target.stage), target.roles[function.role_output]
    fingerprint = fingerprint_of(function, target)
    there = read(lambda_client, name)
    if there and is_same(there, function, target, role, fingerprint):
        return False
    # A folder of its own: cargo-lambda makes the zip beside the binary, and two deployments may run at once.
    with tempfile.TemporaryDirectory() as scratch:
        command = cargo_lambda(function, target, role, Path(scratch))
        refuse_missing_files(name, command, target, Path(scratch))
        run_deploy(name, command, Path(scratch))
    # cargo-lambda leaves the role of a function that is there as it is.
    configuration = await_update(lambda_client, name)
    if configuration["Role"] != role:
        lambda_client.update_function_configuration(FunctionName=name, Role=role)
        configuration = await_update(lambda_client, name)
    tags = {FINGERPRINT: tag_of(fingerprint, configuration)}
    lambda_client.tag_resource(Resource=configuration["FunctionArn"], Tags=tags)
    return True


def set_recursion(lambda_client, function: Function, name: str) -> bool:
    """Whether Lambda ends a chain of messages from the function to itself, by default after some 16 of them; False when
    it was told already. A cloud without this call fails the deployment: large files would end in the dead-letter queue
    there."""
    wanted = "Allow" if function.sends_to_itself else "Terminate"
    if lambda_client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == wanted:
        return False
    lambda_client.put_function_recursion_config(FunctionName=name, RecursiveLoop=wanted)
    return True


def read(lambda_client, name: str) -> dict | None:
    """The function as it is deployed."""
    try:
        return lambda_client.get_function(FunctionName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise


def is_same(there: dict, function: Function, target: Target, role: str, fingerprint: str) -> bool:
    """Whether code, settings and role are those wanted, also when somebody changed them by hand since."""
    own = there["Configuration"]
    return (
        there.get("Tags", {}).get(FINGERPRINT) == tag_of(fingerprint, own)
        and own["Role"] == role
        and own["MemorySize"] == function.memory_mb
        and own["Timeout"] == function.timeout
        and own.get("Environment", {}).get("Variables", {}) == target.variables
    )


def tag_of(fingerprint: str, configuration: dict) -> str:
    """What was deployed and what Lambda made of it: code that is changed by hand has another hash."""
    return f"{fingerprint}:{configuration['CodeSha256']}"


def contract_files(contracts: Path) -> list[Path]:
    """The contracts, as the functions read them."""
    return sorted(contracts.glob("*.odcs.yaml"))


def model_files(models: Path) -> list[Path]:
    """The models that contracts may name."""
    return sorted(models.glob("*.sql"))


def fingerprint_of(function: Function, target: Target) -> str:
    """A hash of the binary and of all that lies beside it."""
    digest = hashlib.sha256()
    bootstrap = {"bootstrap": target.binaries / function.name / "bootstrap"}
    for name, path in (bootstrap | target.files()).items():
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def cargo_lambda(function: Function, target: Target, role: str, scratch: Path) -> list[str]:
    """Lays what is deployed into `scratch` and gives the command that deploys it. It runs there: folders have the names
    that they have in the zip."""
    bootstrap, variables = scratch / function.name / "bootstrap", scratch / "variables.env"
    bootstrap.parent.mkdir()
    shutil.copy2(target.binaries / function.name / "bootstrap", bootstrap)
    for own, path in target.files().items():
        (scratch / own).parent.mkdir(exist_ok=True)
        shutil.copy2(path, scratch / own)
    variables.write_text("".join(f"{key}={value}\n" for key, value in sorted(target.variables.items())))
    command = ["cargo", "lambda", "deploy", function.deployed_name(target.stage)]
    command += ["--manifest-path", str(ROOT / "Cargo.toml"), "--binary-name", function.name]
    command += ["--lambda-dir", str(scratch)]
    for folder in sorted({own.split("/")[0] for own in target.files()}):
        command += ["--include", folder]
    command += ["--role", role, "--memory", str(function.memory_mb), "--timeout", str(function.timeout)]
    command += ["--env-file", str(variables)]
    return command + (["--endpoint-url", target.endpoint_url] if target.endpoint_url else [])


def refuse_missing_files(name: str, command: list[str], target: Target, folder: Path) -> None:
    """cargo-lambda says nothing of an include that it did not find: the dry run's list of files does."""
    output = run([*command, "--dry", "--output-format", "json"], folder).stdout
    files = set(json.loads(output[output.index("{") :])["files"])
    missing = [own for own in target.files() if own not in files]
    if missing:
        raise DeployError(f"{name}: files are missing in the zip: {', '.join(missing)}")


def run_deploy(name: str, command: list[str], folder: Path) -> None:
    """A role that was made seconds ago is not known to Lambda yet."""
    for attempt in range(1, 7):
        try:
            run(command, folder)
            return
        except DeployError as error:
            if "cannot be assumed" not in str(error) or attempt == 6:
                raise DeployError(f"{name}: {error}") from error
            time.sleep(5)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Runs cargo-lambda in a folder with the tools of .venv first on the path."""
    done = subprocess.run(command, cwd=folder, env=tool_env(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(f"{' '.join(command[:4])} failed:\n{done.stdout}{done.stderr}")
    return done


def tool_env() -> dict[str, str]:
    """The environment with the tools of .venv first on the path."""
    return {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def await_update(lambda_client, name: str) -> dict:
    """The configuration once Lambda has taken the last change."""
    for _ in range(120):
        own = lambda_client.get_function_configuration(FunctionName=name)
        if own.get("State", "Active") != "Pending" and own.get("LastUpdateStatus", "Successful") != "InProgress":
            return own
        time.sleep(0.5)
    raise DeployError(f"{name} was not ready within a minute")
