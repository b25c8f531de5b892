"""Waits for conditions with a line that shows progress on a terminal. Knows no route."""

import sys
import time

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def until(what: str, within_seconds: float, condition, poll_seconds: float = 0.2, out=sys.stdout) -> float:
    """Calls `condition` until its first value is true; its second tells how far it is. Gives the seconds it took."""
    started, shows, frame = time.monotonic(), out.isatty(), 0
    while True:
        done, progress = condition()
        waited = time.monotonic() - started
        if shows:
            out.write(f"\r\x1b[K  {FRAMES[frame % len(FRAMES)]} {what}: {progress} ({waited:.0f} s)")
            out.flush()
        if done or waited > within_seconds:
            break
        frame += 1
        time.sleep(poll_seconds)
    if shows:
        out.write("\r\x1b[K")
        out.flush()
    if not done:
        sys.exit(f"error: {what} was not done within {within_seconds:.0f} s: {progress}")
    return waited
