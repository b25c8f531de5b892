"""The local cloud: MiniStack as AWS with IAM enforced, redshift-local as the warehouse, and the stage `local` deployed
into them by the same deployment that goes to AWS. Everything listens on 127.0.0.1. Knows no dataset."""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import deploy
from functions import DATABASE_USERS, ROOT
from session import exit_on_signals

# Where .local and .env.local lie.
HOME = Path(os.environ.get("PENSTOCK_LOCAL_DIR") or ROOT)
STATE = HOME / ".local"
ENV_FILE = HOME / ".env.local"
# Held by the runner of `make up`, with its process id; what it leads to once it is ready; what it says.
LOCK, READY, RUNNER_LOG = STATE / "runner.lock", STATE / "ready.json", STATE / "runner.log"
REGION = "us-east-1"
START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 20
# MiniStack's root: a local administrator, who may read the quarantine too.
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
# Left to functions and tools, these could lead to somebody's real AWS.
FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE")


# A server's parent: ends it when its own standard input, a pipe to this process, closes for whatever reason. In the
# background a server is deaf to Ctrl-C, so that it ends in order.
SUPERVISOR = """
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
( read -r _ <&3; kill -TERM "$server" ) 2>/dev/null &
exec 3<&-
wait "$server"
"""


class LocalCloudError(Exception):
    """The local cloud could not be started; the text says why."""


class LocalCloud:
    """Two servers that belong to this process, with their logs in a folder."""

    def __init__(self, state: Path, port: int, redshift_port: int):
        self.state = state
        self.endpoint = f"http://127.0.0.1:{port}"
        self.redshift = f"http://127.0.0.1:{redshift_port}"
        self.ports = (port, redshift_port)
        self.servers: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "LocalCloud":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Starts both servers and waits until they answer."""
        for port in self.ports:
            if listens(port):
                raise LocalCloudError(
                    f"port {port} of 127.0.0.1 is taken: end who listens there, or choose others with "
                    "`make up LOCAL_PORT=4576 LOCAL_REDSHIFT_PORT=5449`"
                )
        scratch = self.state / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        port, redshift_port = self.ports
        inherited = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        self.spawn(
            "ministack",
            [ROOT / ".venv" / "bin" / "ministack"],
            # It hands its own variables on to the functions.
            {**inherited, **ADMINISTRATOR, "AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
             "MINISTACK_HOST": "127.0.0.1", "AWS_ENDPOINT_URL": self.endpoint, "HOME": str(scratch),
             "TMPDIR": str(scratch)},
        )  # fmt: skip
        self.spawn(
            "redshift-local",
            [deploy.target_dir() / "ci" / "redshift-local", "--port", str(redshift_port)],
            # COPY reads files from the local S3.
            {**inherited, **ADMINISTRATOR, "POSTGRES_BIN_DIR": postgres_bin_dir(), "AWS_ENDPOINT_URL": self.endpoint,
             "AWS_ENDPOINT_URL_S3": self.endpoint},
        )  # fmt: skip
        self.await_answer("ministack", f"{self.endpoint}/_ministack/health")
        self.await_answer("redshift-local", f"{self.redshift}/_redshift-local/health")

    def spawn(self, name: str, command: list, env: dict[str, str]) -> None:
        """Starts a server that logs into the state folder and cannot outlive this process."""
        arguments = ["/bin/sh", "-c", SUPERVISOR, "sh", *(str(part) for part in command)]
        with self.log(name).open("wb") as log:
            self.servers[name] = subprocess.Popen(
                arguments,
                env=env,
                cwd=self.state,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Where a server's output is."""
        return self.state / f"{name}.log"

    def await_answer(self, name: str, url: str) -> None:
        """Waits for a server; its own end is the end of waiting."""
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self.servers[name].poll() is not None:
                break
            if answers(url):
                return
            time.sleep(0.05)
        tail = self.log(name).read_text(errors="replace").splitlines()[-10:]
        raise LocalCloudError("\n".join([f"{name} did not start; the end of {self.log(name)}:", *tail]))

    def stop(self) -> None:
        """Ends both servers, and with them the functions and PostgreSQL."""
        for server in self.servers.values():
            server.stdin.close()
        for server in self.servers.values():
            try:
                server.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
        self.servers.clear()


def postgres_bin_dir() -> str:
    """Where PostgreSQL's programs are."""
    script = ROOT / "tests" / "python" / "postgres_bin_dir.py"
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout.strip()


def answers(url: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as own:
        return own.connect_ex(("127.0.0.1", port)) == 0


def deploy_to(cloud_endpoint: str, redshift: str, stage: str, binaries: Path) -> dict[str, str]:
    """Deploys a stage and gives the variables that lead to it."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    endpoints = {"AWS_ENDPOINT_URL": cloud_endpoint, "AWS_ENDPOINT_URL_REDSHIFT_DATA": redshift}
    os.environ.update({**ADMINISTRATOR, **endpoints})
    command = ["--stage", stage, "--endpoint-url", cloud_endpoint, "--workgroup", "local", "--binaries", str(binaries)]
    args = deploy.arguments(command)
    variables = deploy.deploy(args, deploy.Steps())
    for function in DATABASE_USERS:
        map_user(redshift, function.deployed_name(stage))
    # The functions have these beside them; tools that run in the project find them here.
    variables |= {"CONTRACTS_DIR": str(args.contracts), "MODELS_DIR": str(args.models)}
    # The AWS CLI reads its region from a variable of its own.
    return {**ADMINISTRATOR, "AWS_DEFAULT_REGION": REGION, **endpoints, **variables}


def map_user(redshift: str, name: str) -> None:
    """Lets redshift-local know a function as the database user of its role, so that its GRANTs are proved here too.
    The access key is the one that this MiniStack makes for a function under its role."""
    function_arn, role_arn = (
        f"arn:aws:lambda:{REGION}:000000000000:function:{name}",
        f"arn:aws:iam::000000000000:role/{name}",
    )
    digest = hashlib.sha256(f"{function_arn}:{role_arn}".encode()).hexdigest()
    body = {"access_key_id": f"ASIA{digest[:16].upper()}", "user": f"IAMR:{name}"}
    request = urllib.request.Request(f"{redshift}/_redshift-local/callers", json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request, timeout=5).close()


def write_env_file(variables: dict[str, str]) -> None:
    """Writes .env.local, for the shell and for the other make commands."""
    head = "# Leads to the local cloud of `make up`, as its administrator. Shell: set -a; . ./.env.local; set +a\n"
    lines = "".join(f"{key}={shlex.quote(value)}\n" for key, value in variables.items())
    ENV_FILE.write_text(head + lines, encoding="utf-8")


def read_env_file() -> dict[str, str]:
    """The variables of .env.local."""
    if not ENV_FILE.exists():
        sys.exit("error: there is no local cloud: start it with `make up`")
    lines = ENV_FILE.read_text(encoding="utf-8").splitlines()
    pairs = (shlex.split(line, comments=True) for line in lines)
    return dict(pair[0].split("=", 1) for pair in pairs if pair)


def runner() -> int | None:
    """Process id of the runner of `make up`, while it holds its lock."""
    try:
        with LOCK.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                return int(lock.read() or 0)
    except FileNotFoundError:
        return None


def run(port: int, redshift_port: int) -> None:
    """The runner: holds both servers until a signal."""
    # Opened for appending, so that a second runner leaves the first one's lock file alone.
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        READY.unlink(missing_ok=True)
        with LocalCloud(STATE, port, redshift_port) as cloud:
            part = READY.with_suffix(".part")
            part.write_text(json.dumps({"endpoint": cloud.endpoint, "redshift": cloud.redshift}))
            part.replace(READY)
            while all(server.poll() is None for server in cloud.servers.values()):
                time.sleep(0.1)


def start_runner(port: int, redshift_port: int) -> None:
    """Starts the runner in a session of its own, and waits until it is ready or has ended."""
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir()
    with RUNNER_LOG.open("wb") as log:
        command = [sys.executable, __file__, "run", "--port", str(port), "--redshift-port", str(redshift_port)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not READY.exists():
        if child.poll() is not None:
            sys.exit(RUNNER_LOG.read_text().strip() or "error: the local cloud ended at once")
        time.sleep(0.05)


def up(port: int, redshift_port: int) -> None:
    """Starts the runner unless it runs, and deploys what changed."""
    if runner() is None:
        start_runner(port, redshift_port)
    while not READY.exists():
        # Somebody else's `make up` is starting it.
        if runner() is None:
            sys.exit(f"error: the local cloud ended while it was started: {RUNNER_LOG}")
        time.sleep(0.05)
    found = json.loads(READY.read_text())
    try:
        variables = deploy_to(found["endpoint"], found["redshift"], "local", deploy.target_dir() / "ci")
    except BaseException:
        print("the local cloud runs, but not everything is deployed: `make up` again goes on, `make down` ends it")
        raise
    write_env_file(variables)
    print(f"""
The local cloud is up: AWS at {found["endpoint"]}, Redshift at {found["redshift"]}
  set -a; . ./.env.local; set +a; PATH=$PWD/.venv/bin:$PATH     # this shell's `aws` then talks to it
  aws s3 cp FILE s3://{variables["LANDING_BUCKET"]}/queue/DATASET/      # or copy/, stream/, lake/, as its contract says
  make status | make rejects | make sql Q='SELECT ...' | make down
Logs of the functions: .local/ministack.log""")


def down() -> None:
    """Ends the runner and everything it started."""
    deadline, found = time.monotonic() + 2 * STOP_WITHIN_SECONDS, False
    while (process := runner()) is not None:
        # It may end at any moment by itself.
        with contextlib.suppress(ProcessLookupError):
            if process and not found:
                found = True
                os.kill(process, signal.SIGTERM)
            if process and time.monotonic() > deadline:
                # Its servers end with it: each has a pipe to it.
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(STATE, ignore_errors=True)
    ENV_FILE.unlink(missing_ok=True)
    print("the local cloud is down" if found else "there was no local cloud")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="local_cloud.py", description="Penstock's local cloud.")
    parser.add_argument("command", choices=["up", "down", "run"])
    parser.add_argument("--port", type=int, default=int(os.environ.get("LOCAL_PORT") or 4566))
    parser.add_argument("--redshift-port", type=int, default=int(os.environ.get("LOCAL_REDSHIFT_PORT") or 5439))
    args = parser.parse_args()
    exit_on_signals()
    try:
        match args.command:
            case "up":
                up(args.port, args.redshift_port)
            case "down":
                down()
            case _:
                run(args.port, args.redshift_port)
    except LocalCloudError as error:
        sys.exit(f"error: {error}")
    except (deploy.stacks.StackError, deploy.functions.DeployError, deploy.BotoCoreError, deploy.ClientError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
