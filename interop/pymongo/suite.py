"""Runs PyMongo's own tests, from its source distribution, against our programs.

    python suite.py encryption --mode mongocryptd
    python suite.py server
    python suite.py server --replica-set
    python suite.py server --auth --compressors zstd
    python suite.py server --tls --files test_ssl.py

The source distribution is fetched from PyPI once and unpacked outside the repository. Tests that are
not run stand in `skips.txt` with their reasons.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import fnmatch
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import typing
import xml.etree.ElementTree

import fixtures
import services
from kms import loose_fakes

HERE = pathlib.Path(__file__).resolve().parent
SKIPS = HERE / "skips.txt"
FAILURES = HERE / "failures.txt"

SUITES = {
    "encryption": ["test_encryption.py"],
    # What takes longest comes first, so that nothing waits for it in the end.
    "server": [
        "test_client.py",
        "test_crud_unified.py",
        "test_collection.py",
        "test_cursor.py",
        "test_database.py",
        "test_bulk.py",
        "test_client_bulk_write.py",
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
    parser.add_argument("--tls", action="store_true", help="with TLS, by PyMongo's own certificates")
    parser.add_argument("--compressors", help="what the driver offers, such as zstd")
    parser.add_argument("--files", nargs="*", help="only these files")
    parser.add_argument("-k", dest="only", default="", help="only tests that match (pytest's -k)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one test")
    parser.add_argument("--list-failures", action="store_true", help="print each failure's reason")
    parser.add_argument("--list-slow", action="store_true", help="print what took longest")
    return parser.parse_args()


def main():
    options = arguments()
    with fixtures.cache_lock():
        folder = unpacked()
        keys = known_keys() if options.suite == "encryption" else {}
    files = options.files or SUITES[options.suite]
    condition = conditions(options)
    skips = read_patterns(SKIPS, condition)
    failures = read_patterns(FAILURES, condition)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(fixtures.scratch())
        environment = os.environ | {"DB_USER": "user", "DB_PASSWORD": "password"}
        environment.pop("KUBERNETES_SERVICE_HOST", None)
        if options.compressors:
            environment["COMPRESSORS"] = options.compressors
        if options.suite == "encryption":
            with_daemon = options.mode == "mongocryptd"
            environment |= services.environment(stack, scratch, keys, with_daemon)
        environment |= tested_programs(options.mode, scratch)
        environment["FIELDVEIL_SKIPS"] = "\n".join(pattern for pattern, _ in skips)
        environment["PYTHONPATH"] = f"{HERE}{os.pathsep}{HERE.parent}"
        # The tests wait more than they work. Files do not meet, since each has its own server.
        workers = 1 if options.server else min(os.cpu_count() or 1, 3)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            found = pool.map(lambda file: run(options, folder, file, scratch, environment), files)
            results = [known(case, failures) for cases in found for case in cases]
    if options.list_failures:
        print_failures(results)
    if options.list_slow:
        for case in sorted(results, key=lambda it: it.seconds)[-20:]:
            print(f"{case.seconds:8.2f} s  {case.file} {case.name}")
    print_table(results)
    print_left_out(results, skips)
    print_known(results)
    sys.exit(any(case.outcome == "failed" for case in results))


def conditions(options):
    """The words that lines in brackets of the lists may ask for."""
    members = "replica" if options.replica_set else "standalone"
    protection = [word for word in ("auth", "tls") if getattr(options, word)]
    return [options.suite, options.mode, members, *protection]


def unpacked():
    """The folder of PyMongo's tests, beside which no other PyMongo can be imported."""
    folder = source_distribution("pymongo")
    for package in ["pymongo", "bson", "gridfs"]:
        if (folder / package).exists():
            (folder / package).rename(folder / f"unused-{package}")
    return folder


def source_distribution(package):
    """The unpacked source distribution that belongs to the `package` that is installed."""
    version = importlib.metadata.version(package)
    folder = fixtures.CACHE / f"{package}-{version}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=fixtures.CACHE) as part:
            part = pathlib.Path(part)
            subprocess.check_call(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:"]
                + ["--no-deps", "--dest", part, f"{package}=={version}"]
            )
            with tarfile.open(part / f"{folder.name}.tar.gz") as archive:
                archive.extractall(part, filter="data")
            (part / folder.name).rename(folder)
    return folder


def read_patterns(path, condition):
    """The patterns of a list whose condition holds, each with its reason.

    A line is `pattern  # reason`; a line in brackets says when those below it hold.
    """
    patterns, holds = [], True
    for line in path.read_text().splitlines():
        if line.startswith("["):
            holds = all(word in condition for word in line.strip("[]").split())
        elif line and not line.startswith("#") and holds:
            pattern, reason = re.split(r"\s+# ", line, maxsplit=1)
            patterns.append((pattern, reason))
    return patterns


def known(case, failures):
    """A failed test that the list of failures has, with the list's reason; any other as it is."""
    for pattern, reason in failures:
        if case.outcome == "failed" and fnmatch.fnmatchcase(f"{case.file}::{case.name}", pattern):
            return case._replace(outcome="known", reason=reason)
    return case


def own_server(stack, options, certificates):
    flags = ["--enable-test-commands"]
    if options.replica_set:
        flags += ["--replica-set", "rs0"]
    if options.auth:
        flags += ["--auth"]
    if options.tls:
        flags += ["--tls-certificate", certificates / "server.pem"]
        flags += ["--tls-client-ca", certificates / "ca.pem"]
    uri = stack.enter_context(fixtures.server(*flags))
    return uri.removeprefix("mongodb://").strip("/").replace("127.0.0.1", "localhost")


def known_keys():
    """The data key of the spec tests: pymongocrypt's source distribution has it wrapped and plain."""
    data = source_distribution("pymongocrypt") / "test" / "data"
    document = json.loads((data / "key-document.json").read_text())
    reply = json.loads((data / "kms-reply.txt").read_text().split("\n\n", 1)[1])
    wrapped = loose_fakes.decoded(document["keyMaterial"]["$binary"]["base64"])
    return {wrapped: loose_fakes.decoded(reply["Plaintext"])}


def tested_programs(mode, scratch):
    """What makes PyMongo find the programs that `mode` is about."""
    if mode == "mongocryptd":
        return {}
    if mode == "crypt_shared":
        (scratch / "mongo_crypt_v1.so").symlink_to(fixtures.program("libmongo_crypt_v1.so"))
        return {"TEST_CRYPT_SHARED": "1", "LD_LIBRARY_PATH": str(scratch)}
    library = str(fixtures.program("libmongocrypt.so"))
    return {"TEST_CRYPT_SHARED": "1", "PYMONGOCRYPT_LIB": library}


class Case(typing.NamedTuple):
    """One test, and the file it is from: of the specification, or of PyMongo."""

    file: str
    name: str
    seconds: float
    outcome: str
    reason: str = ""


def run(options, folder, file, scratch, environment):
    """Runs one of PyMongo's files, by a server of its own."""
    xml_file = scratch / f"{file}.xml"
    command = [sys.executable, "-m", "pytest", f"test/{file}", "-q", "-p", "plugin"]
    command += ["-o", "addopts=", "-W", "default", "-p", "no:cacheprovider", "--tb=short"]
    command += ["--timeout", str(options.timeout), f"--junitxml={xml_file}", "-k", options.only]
    with contextlib.ExitStack() as stack:
        address = options.server or own_server(stack, options, folder / "test" / "certificates")
        begin = time.monotonic()
        output = subprocess.run(
            command,
            cwd=folder,
            env=environment | where(address, options.suite),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout
    print(f"== {file}: {time.monotonic() - begin:.1f} s", flush=True)
    if not xml_file.exists():
        print(output[-3000:])
        return [Case(file, "all", 0, "failed", "did not run")]
    specified = spec_files(folder)
    return [case(file, specified, it) for it in xml.etree.ElementTree.parse(xml_file).iter("testcase")]


def where(address, suite):
    """The environment variables that lead PyMongo's tests to a server."""
    host, port = address.rsplit(":", 1)
    found = {"DB_IP": host, "DB_PORT": port}
    if suite == "server":
        # A few tests look at the usual port, whatever they are told.
        found["FIELDVEIL_PORTS"] = json.dumps({"27017": int(port)})
    return found


def spec_files(folder):
    """Where PyMongo's classes of specification tests are from, by the end of their names."""
    files = (folder / "test" / "client-side-encryption" / "spec" / "unified").glob("*.json")
    return {re.sub("[^a-z0-9]", "", it.stem.lower()): f"spec/unified/{it.name}" for it in files}


def case(file, specified, element):
    # Only what a whole file fails by has no class.
    group = (element.get("classname") or file).rsplit(".", 1)[-1]
    if file == "test_encryption.py":
        file = specified.get(group.removeprefix("TestUnified").lower(), f"{file} {group}")
    name = f"{group}::{element.get('name')}"
    seconds = float(element.get("time"))
    for tag, outcome in [("failure", "failed"), ("error", "failed"), ("skipped", "skipped")]:
        if (found := element.find(tag)) is not None:
            reason = found.get("message") or found.get("type") or ""
            return Case(file, name, seconds, outcome, " ".join(reason.split()))
    return Case(file, name, seconds, "passed")


def print_failures(results):
    for case in results:
        if case.outcome == "failed":
            print(f"FAILED {case.file} {case.name}: {case.reason[:300]}")


def print_table(results):
    print(f"\n{'file':<64}{'passed':>8}{'failed':>8}{'known':>8}{'skipped':>9}{'rate':>9}")
    files = collections.defaultdict(collections.Counter)
    for case in results:
        files[case.file][case.outcome] += 1
        files["total"][case.outcome] += 1
    total = files.pop("total", collections.Counter())
    for file, count in [*sorted(files.items()), ("total", total)]:
        ran = count["passed"] + count["failed"] + count["known"]
        rate = f"{100 * count['passed'] / ran:.1f} %" if ran else "-"
        columns = f"{count['passed']:>8}{count['failed']:>8}{count['known']:>8}{count['skipped']:>9}"
        print(f"{file:<64}{columns}{rate:>9}")


def print_left_out(results, skips):
    skipped = collections.Counter((it.file, it.reason) for it in results if it.outcome == "skipped")
    print("\nSkipped by PyMongo itself:")
    for (file, reason), count in sorted(skipped.items()):
        print(f"  {count} of {file}: {reason}")
    print(f"\nNot run, by {SKIPS.name}:")
    for pattern, reason in skips:
        print(f"  {pattern}: {reason}")


def print_known(results):
    """The failures that are known, by reason; they count against the rate."""
    reasons = collections.defaultdict(list)
    for case in results:
        if case.outcome == "known":
            reasons[case.reason].append(f"{case.file}::{case.name}")
    print(f"\nKnown failures, by {FAILURES.name}:")
    for reason, names in sorted(reasons.items()):
        print(f"  {len(names)}: {reason}")
        for name in names:
            print(f"       {name}")


if __name__ == "__main__":
    main()
