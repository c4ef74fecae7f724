"""pymongocrypt's own test suite, from its source distribution, over our `libmongocrypt`.

    python interop/pymongocrypt_suite.py --lib PATH [--venv DIR] [-k EXPRESSION]

The suite is downloaded into the virtual environment, never into the tree. With the library that
pymongocrypt ships, release 1.21.2 passes all tests but two that want a proprietary library; so
does ours, or it is an error.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile

VERSION = "1.21.2"
SKIPPED = 2


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


def counts(summary):
    """The figures of pytest's last line, by word."""
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", summary)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=pathlib.Path, required=True, help="the shared library")
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
    run = subprocess.run(command, cwd=unpacked, env=environment, stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")
    if run.returncode:
        sys.exit(run.returncode)
    skipped = counts(run.stdout.strip().splitlines()[-1]).get("skipped", 0)
    if skipped > SKIPPED and not arguments.expression:
        sys.exit(f"{skipped} tests were skipped, and only {SKIPPED} have a reason to be")


if __name__ == "__main__":
    main()
