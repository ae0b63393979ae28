"""A server of the demo models on a port of its own, as a user would start it."""
import contextlib
import pathlib
import re
import signal
import subprocess
import sys

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


@contextlib.contextmanager
def served(program, models, *flags, log=None):
    """Yields the address; at the end the server must leave by itself, without complaint. `log`: where it goes; stderr."""
    server = subprocess.Popen([program, "serve", *models, "--port", "0", *flags], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = server.stdout.readline()
        match = re.search(r" on (https?://\S+)", line)
        if not match:
            sys.exit(f"the server did not start: {line!r}, status {server.wait(timeout=30)}")
        yield match[1]
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=60)
    assert status == 0, f"the server ended with {status}"


def demo(root, name):
    return str(pathlib.Path(root) / "demo" / name)
