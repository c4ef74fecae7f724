"""Runs PyMongo's own tests, from its source distribution, against our programs.

    python3 interop/pymongo_suite.py encryption --mode mongocryptd
    python3 interop/pymongo_suite.py server
    python3 interop/pymongo_suite.py server --replica-set

The source distribution is fetched from PyPI once and unpacked outside the repository. Tests that are
not run stand in `pymongo-skips.txt` with their reasons. Only the standard library is needed to start
this; PyMongo, pytest and pytest-timeout live in the virtual environment that `--python` names.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree

import fixtures

HERE = pathlib.Path(__file__).resolve().parent
SKIPS = HERE / "pymongo-skips.txt"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "fieldveil"

SUITES = {
    "encryption": ["test_encryption.py"],
    "server": [
        "test_collection.py",
        "test_cursor.py",
        "test_database.py",
        "test_bulk.py",
        "test_client.py",
        "test_client_bulk_write.py",
        "test_crud_unified.py",
        "test_collection_management.py",
        "test_index_management.py",
        "test_run_command.py",
        "test_command_monitoring.py",
        "test_session.py",
        "test_sessions_unified.py",
        "test_retryable_writes.py",
        "test_retryable_writes_unified.py",
        "test_gridfs.py",
        "test_gridfs_bucket.py",
        "test_gridfs_spec.py",
        "test_grid_file.py",
        "test_auth.py",
        "test_collation.py",
        "test_read_concern.py",
        "test_monitoring.py",
        "test_raw_bson.py",
        "test_ssl.py",
    ],
}

# Leaves out the tests of `FIELDVEIL_SKIPS`, one pattern a line, and finds the clouds on this machine.
# PyMongo tells the server when it runs in a container, which its tests of that message do not expect.
PLUGIN = '''
import fnmatch, os, socket

import pymongo.pool_options

pymongo.pool_options.DOCKER_ENV_PATH = "/not/a/container"

CLOUDS = (".amazonaws.com", ".vault.azure.net", "login.microsoftonline.com", ".googleapis.com")
resolve = socket.getaddrinfo

def getaddrinfo(host, port, *args, **kwargs):
    if isinstance(host, str) and host.endswith(CLOUDS) and "FIELDVEIL_FAKE_KMS" in os.environ:
        host, port = "127.0.0.1", int(os.environ["FIELDVEIL_FAKE_KMS"])
    return resolve(host, port, *args, **kwargs)

socket.getaddrinfo = getaddrinfo

def pytest_collection_modifyitems(config, items):
    patterns = os.environ["FIELDVEIL_SKIPS"].splitlines()
    left_out = [item for item in items if any(fnmatch.fnmatchcase(item.nodeid, it) for it in patterns)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
'''


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument(
        "--mode",
        choices=["mongocryptd", "crypt_shared", "libmongocrypt"],
        default="mongocryptd",
        help="which of our programs analyses, and whether our library encrypts",
    )
    parser.add_argument("--server", help="a running server's host:port instead of one of our own")
    parser.add_argument("--replica-set", action="store_true", help="a replica set of one member")
    parser.add_argument("--auth", action="store_true", help="with authentication")
    parser.add_argument("--python", default=sys.executable, help="interpreter with PyMongo")
    parser.add_argument("--files", nargs="*", help="only these files")
    parser.add_argument("-k", dest="only", default="", help="only tests that match (pytest's -k)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one test")
    parser.add_argument("--list-failures", action="store_true", help="print each failure's reason")
    return parser.parse_args()


def main():
    options = arguments()
    folder = unpacked(options.python)
    files = options.files or SUITES[options.suite]
    condition = f"{options.suite} {options.mode} {'replica' if options.replica_set else 'standalone'}"
    skips = read_skips(condition)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(fixtures.scratch())
        address = options.server or own_server(stack, options)
        environment = {**os.environ, **tested_programs(options.mode, scratch)}
        environment.pop("KUBERNETES_SERVICE_HOST", None)
        environment |= {"DB_USER": "user", "DB_PASSWORD": "password"}
        environment["DB_IP"], environment["DB_PORT"] = address.rsplit(":", 1)
        if options.suite == "encryption":
            environment.update(fake_clouds(stack, options.python, scratch))
        environment["FIELDVEIL_SKIPS"] = "\n".join(pattern for pattern, _ in skips)
        environment["PYTHONPATH"] = str(scratch)
        (scratch / "fieldveil_skips.py").write_text(PLUGIN)
        results = collections.OrderedDict()
        for file in files:
            results[file] = run(options, folder, file, scratch, environment)
    sys.exit(report(results, skips, options.list_failures))


def unpacked(python):
    """The folder of PyMongo's tests, beside which no other PyMongo can be imported."""
    folder = source_distribution(python, "pymongo")
    for package in ["pymongo", "bson", "gridfs"]:
        if (folder / package).exists():
            (folder / package).rename(folder / f"unused-{package}")
    return folder


def source_distribution(python, package):
    """The unpacked source distribution that belongs to the `package` that `python` has."""
    version = subprocess.check_output(
        [python, "-c", f"import importlib.metadata as it; print(it.version('{package}'))"], text=True
    ).strip()
    folder = CACHE / f"{package}-{version}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.check_call(
            [python, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"]
            + ["--dest", str(CACHE), f"{package}=={version}"]
        )
        with tarfile.open(CACHE / f"{package}-{version}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def read_skips(condition):
    """The patterns of `pymongo-skips.txt` whose condition holds, each with its reason.

    A line is `pattern  # reason`; a line in brackets says when those below it hold.
    """
    skips, holds = [], True
    for line in SKIPS.read_text().splitlines():
        if line.startswith("["):
            holds = all(word in condition.split() for word in line.strip("[]").split())
        elif line and not line.startswith("#") and holds:
            pattern, reason = re.split(r"\s+# ", line, maxsplit=1)
            skips.append((pattern, reason))
    return skips


def own_server(stack, options):
    flags = ["--enable-test-commands"]
    if options.replica_set:
        flags += ["--replica-set", "rs0"]
    if options.auth:
        flags += ["--auth"]
    uri = stack.enter_context(fixtures.server(*flags))
    return uri.removeprefix("mongodb://").strip("/").replace("127.0.0.1", "localhost")


def fake_clouds(stack, python, scratch):
    """Starts the key services of `fake_kms.py`; gives what makes the tests use them."""
    (scratch / "known-keys.json").write_text(json.dumps(known_keys(python)))
    process = subprocess.Popen(
        [python, str(HERE / "fake_kms.py"), str(scratch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.stdin.close)
    port = process.stdout.readline().strip()
    return {
        "FIELDVEIL_FAKE_KMS": port,
        "SSL_CERT_FILE": str(scratch / "ca.pem"),
        "FLE_AWS_KEY": "nobody",
        "FLE_AWS_SECRET": "nothing",
        "FLE_AWS_KEY2": "nobody",
        "FLE_AWS_SECRET2": "nothing",
        "CSFLE_AWS_TEMP_ACCESS_KEY_ID": "nobody",
        "CSFLE_AWS_TEMP_SECRET_ACCESS_KEY": "nothing",
        "CSFLE_AWS_TEMP_SESSION_TOKEN": "good",
        "FLE_AZURE_TENANTID": "nobody",
        "FLE_AZURE_CLIENTID": "nobody",
        "FLE_AZURE_CLIENTSECRET": "nothing",
        "FLE_GCP_EMAIL": "nobody@example.com",
        "FLE_GCP_PRIVATEKEY": (scratch / "gcp-key.b64").read_text(),
    }


def known_keys(python):
    """The data key of the spec tests: pymongocrypt's source distribution has it wrapped and plain."""
    data = source_distribution(python, "pymongocrypt") / "test" / "data"
    document = json.loads((data / "key-document.json").read_text())
    reply = json.loads((data / "kms-reply.txt").read_text().split("\n\n", 1)[1])
    return {document["keyMaterial"]["$binary"]["base64"]: reply["Plaintext"]}


def tested_programs(mode, scratch):
    """What makes PyMongo find the programs that `mode` is about."""
    if mode == "mongocryptd":
        fixtures.program("mongocryptd")
        return {"PATH": f"{fixtures.BUILT}{os.pathsep}{os.environ['PATH']}"}
    if mode == "crypt_shared":
        (scratch / "mongo_crypt_v1.so").symlink_to(fixtures.program("libmongo_crypt_v1.so"))
        return {"TEST_CRYPT_SHARED": "1", "LD_LIBRARY_PATH": str(scratch)}
    library = str(fixtures.program("libmongocrypt.so"))
    return {"TEST_CRYPT_SHARED": "1", "PYMONGOCRYPT_LIB": library}


def run(options, folder, file, scratch, environment):
    """Runs one file; gives (name, outcome, message) of its tests, or nothing if it broke."""
    xml_file = scratch / f"{file}.xml"
    command = [options.python, "-m", "pytest", f"test/{file}", "-q", "-p", "fieldveil_skips"]
    command += ["-o", "addopts=", "-W", "default", "-p", "no:cacheprovider", "--tb=short"]
    command += ["--timeout", str(options.timeout), f"--junitxml={xml_file}", "-k", options.only]
    print(f"== {file}", flush=True)
    output = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ).stdout
    if not xml_file.exists():
        print(output[-3000:])
        return None
    results = []
    for case in xml.etree.ElementTree.parse(xml_file).iter("testcase"):
        name = f"{case.get('classname').rsplit('.', 1)[-1]}::{case.get('name')}"
        fault = case.find("failure") if case.find("failure") is not None else case.find("error")
        if fault is not None:
            results.append((name, "failed", fault.get("message") or ""))
        elif case.find("skipped") is not None:
            results.append((name, "skipped", case.find("skipped").get("message") or ""))
        else:
            results.append((name, "passed", ""))
    return results


def report(results, skips, list_failures):
    """Prints the table by file; gives the exit status."""
    if list_failures:
        for file, cases in results.items():
            for name, outcome, message in cases or []:
                if outcome == "failed":
                    print(f"FAILED {file}::{name}: {' '.join(message.split())[:300]}")
    print(f"\n{'file':<36}{'passed':>8}{'failed':>8}{'skipped':>9}  rate")
    total = collections.Counter()
    for file, cases in results.items():
        if cases is None:
            print(f"{file:<36}  did not run")
            total["failed"] += 1
            continue
        count = collections.Counter(outcome for _, outcome, _ in cases)
        total.update(count)
        print(row(file, count))
    print(row("total", total))
    print(f"\n{len(skips)} patterns of {SKIPS.name} were left out:")
    for pattern, reason in skips:
        print(f"  {pattern}: {reason}")
    return 1 if total["failed"] else 0


def row(name, count):
    ran = count["passed"] + count["failed"]
    rate = f"{100 * count['passed'] / ran:5.1f} %" if ran else "    -"
    return f"{name:<36}{count['passed']:>8}{count['failed']:>8}{count['skipped']:>9}  {rate}"


if __name__ == "__main__":
    main()
