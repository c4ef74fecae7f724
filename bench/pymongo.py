"""pymongocrypt's own benchmark over the library in its wheel and over ours, by turns.

    python bench/pymongo.py --lib PATH [--rounds N] [--quick] [--processor-time]

`test/performance/perf_test.py` comes with the source distribution of pymongocrypt and is run as it
is: documents of 1500 encrypted strings, decrypted with 1, 2, 8 and 64 threads, ten parts of a second
each. The figure is documents per second, the median of the parts. Printed are the medians over the
rounds and their ratios. On a machine that is busy with other things, the benchmark can be given the
processor time of its process for a clock.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "interop"))
import pymongocrypt_suite  # noqa: E402

RUNNER = """
import sys, time, unittest
from test.performance import perf_test
if "quick" in sys.argv:
    perf_test.NUM_ITERATIONS = 3
if "processor-time" in sys.argv:
    time.monotonic = time.process_time
unittest.main(perf_test, argv=sys.argv[:1])
"""


def run(python, unpacked, library, options):
    """Documents per second by number of threads."""
    environment = os.environ | {"PYMONGOCRYPT_LIB": str(library)}
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "results.json"
        command = [python, "-c", RUNNER, *options]
        environment["OUTPUT_FILE"] = str(output)
        done = subprocess.run(
            command, cwd=unpacked, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        results = json.loads(output.read_text())
    return {
        result["info"]["args"]["threads"]: result["metrics"][0]["value"] for result in results
    }


def wheel_library():
    """The library in the installed wheel."""
    spec = importlib.util.find_spec("pymongocrypt")
    return pathlib.Path(spec.origin).with_name("libmongocrypt.so").resolve(strict=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=pathlib.Path, required=True, help="our shared library")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each library")
    parser.add_argument("--quick", action="store_true", help="three parts of a second, not ten")
    parser.add_argument("--processor-time", action="store_true", help="a clock that runs with it")
    arguments = parser.parse_args()
    chosen = {"quick": arguments.quick, "processor-time": arguments.processor_time}
    options = [name for name, is_chosen in chosen.items() if is_chosen]
    library = arguments.lib.resolve(strict=True)
    prefix = pathlib.Path(sys.prefix).absolute()
    python = prefix / "bin" / "python"
    unpacked = pymongocrypt_suite.source(python, prefix / "sdist")
    pymongocrypt_suite.prepare(python, unpacked)

    wheel, ours = [], []
    for _ in range(arguments.rounds):
        wheel.append(run(python, unpacked, wheel_library(), options))
        ours.append(run(python, unpacked, library, options))
    print(f"documents of 1500 fields a second, {arguments.rounds} runs of each")
    print(f"{'threads':>7} {'wheel':>24} {'ours':>28} {'ratio':>8}")
    for threads in wheel[0]:
        columns = [[result[threads] for result in results] for results in (wheel, ours)]
        before, after = (statistics.median(column) for column in columns)
        spread = [f"({min(column):.1f} .. {max(column):.1f})" for column in columns]
        print(
            f"{threads:>7} {before:>8.1f} {spread[0]:>15} {after:>8.1f} {spread[1]:>19}"
            f" {after / before:>7.1f}x"
        )


if __name__ == "__main__":
    main()
