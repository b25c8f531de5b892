"""Runs the functions in this terminal: cargo-lambda's runtime API, and each function's binary as `make build` made it.
They work on the local cloud as its administrator. Knows no event."""

import argparse
import os
import subprocess
import sys
import time

import deploy
import local_cloud
from functions import FUNCTIONS, tool_env
from session import exit_on_signals

START_WITHIN_SECONDS = 30
# A function that ends is started again, but not in a loop that heats the room.
AGAIN_AFTER_SECONDS = 1.0


class Watch:
    """The runtime API and the functions, all children of this process."""

    def __init__(self, port: int, variables: dict[str, str]):
        self.port, self.variables = port, variables
        self.processes: dict[str, subprocess.Popen] = {}

    def api(self) -> subprocess.Popen:
        """Starts the runtime API alone: it would build each function once more, with other features."""
        command = ["cargo", "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(self.port)]
        # Without its hints at starting functions by hand: that is done here.
        return subprocess.Popen(command, env={**tool_env(), "RUST_LOG": "warn"}, cwd=deploy.ROOT)

    def function(self, function) -> subprocess.Popen:
        """Starts a function as Lambda does."""
        own = {
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.port}/.rt/{function.name}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "watch",
            "AWS_LAMBDA_LOG_STREAM_NAME": "watch",
        }
        inherited = {key: value for key, value in os.environ.items() if key not in local_cloud.FOREIGN}
        binary = deploy.target_dir() / "ci" / function.name
        return subprocess.Popen([str(binary)], env={**inherited, **self.variables, **own})

    def start(self) -> None:
        """Starts everything, the API first."""
        self.processes["runtime API"] = self.api()
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not local_cloud.listens(self.port):
            if self.processes["runtime API"].poll() is not None or time.monotonic() > deadline:
                sys.exit(f"error: cargo lambda watch does not listen on 127.0.0.1:{self.port}")
            time.sleep(0.05)
        for function in FUNCTIONS:
            self.processes[function.name] = self.function(function)
        names = ", ".join(function.name for function in FUNCTIONS)
        print(f"watching {names} on 127.0.0.1:{self.port}; end with Ctrl-C", flush=True)

    def run(self) -> None:
        """Keeps the functions alive until the API ends."""
        while self.processes["runtime API"].poll() is None:
            for function in FUNCTIONS:
                code = self.processes[function.name].poll()
                if code is not None:
                    print(f"{function.name} ended with exit code {code} and is started again", flush=True)
                    time.sleep(AGAIN_AFTER_SECONDS)
                    self.processes[function.name] = self.function(function)
            time.sleep(0.2)

    def stop(self) -> None:
        """Ends the functions, then the API."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main() -> None:
    """Runs until a signal."""
    parser = argparse.ArgumentParser(prog="watch.py", description="Runs the functions for `make replay`.")
    parser.add_argument("--port", type=int, default=9000)
    args = parser.parse_args()
    exit_on_signals()
    watch = Watch(args.port, local_cloud.read_env_file())
    try:
        watch.start()
        watch.run()
    finally:
        watch.stop()


if __name__ == "__main__":
    main()
