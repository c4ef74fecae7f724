"""pymongocrypt's own test suite, from its source distribution, over our `libmongocrypt`.

    python interop/pymongocrypt_suite.py --lib PATH [--crypt-shared PATH] [--venv DIR] [-k EXPRESSION]

The suite is downloaded into the virtual environment, never into the tree. All tests have to pass.
Two want a `mongo_crypt_v1` library and are skipped without one; one is meant for clients without
query analysis, and is always skipped, because ours is built in.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile

VERSION = "1.21.2"
SKIPPED = {
    "this test requires TEST_CRYPT_SHARED=1",
    "this test must be skipped when crypt_shared is loaded",
}


def source(python, folder):
    """The unpacked source distribution."""
    unpacked = folder / f"pymongocrypt-{VERSION}"
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, f"pymongocrypt=={VERSION}"], check=True)
        with tarfile.open(folder / f"{unpacked.name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return unpacked


def prepare(python, unpacked):
    """Installs what the suite itself asks for; a stamp remembers that it was done."""
    stamp = unpacked / "installed.stamp"
    if not stamp.exists():
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", unpacked / "requirements-test.txt"], check=True)
        stamp.touch()


def skipped(output):
    """Why tests were skipped, by pytest's summary."""
    return set(re.findall(r"^SKIPPED \[\d+\] \S+: (.*)$", output, re.MULTILINE))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=pathlib.Path, required=True, help="the shared library")
    parser.add_argument("--crypt-shared", type=pathlib.Path, help="our mongo_crypt_v1")
    parser.add_argument("--venv", type=pathlib.Path, help="a virtual environment; this one if absent")
    parser.add_argument("-k", dest="expression", help="only tests that match")
    arguments = parser.parse_args()
    library = arguments.lib.resolve(strict=True)
    prefix = (arguments.venv or pathlib.Path(sys.prefix)).absolute()
    python = prefix / "bin" / "python"

    unpacked = source(python, prefix / "sdist")
    prepare(python, unpacked)
    command = [python, "-m", "pytest", "-q", "-rfEs", "-W", "ignore"]
    command += ["test/test_binding.py", "test/test_crypto.py", "test/test_mongocrypt.py"]
    if arguments.expression:
        command += ["-k", arguments.expression]
    environment = os.environ | {"PYMONGOCRYPT_LIB": str(library)}
    if arguments.crypt_shared:
        path = arguments.crypt_shared.resolve(strict=True)
        environment |= {"TEST_CRYPT_SHARED": "1", "CRYPT_SHARED_PATH": str(path)}
    run = subprocess.run(command, cwd=unpacked, env=environment, stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")
    if run.returncode:
        sys.exit(run.returncode)
    unexpected = skipped(run.stdout) - SKIPPED
    if unexpected:
        sys.exit(f"skipped without a reason that we know: {unexpected}")


if __name__ == "__main__":
    main()
