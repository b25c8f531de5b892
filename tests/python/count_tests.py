"""Run a cargo test command, show all of its output, and end with the counts of its `test result:` lines.

Fails when the command fails, when a test fails, and when no test ran.
"""

import re
import subprocess
import sys

RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")


def main(command: list[str]) -> int:
    passed = failed = ignored = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as run:
        assert run.stdout is not None
        for line in run.stdout:
            print(line, end="", flush=True)
            if result := RESULT.match(line):
                passed, failed, ignored = (
                    total + int(count) for total, count in zip((passed, failed, ignored), result.groups(), strict=True)
                )
    if ignored:
        print(f"{ignored} ignored")
    if run.returncode != 0:
        print(f"{' '.join(command)} ended with {run.returncode}")
    print(f"{passed} passed, {failed} failed")
    return 1 if run.returncode != 0 or failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
