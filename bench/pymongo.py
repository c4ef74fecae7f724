"""pymongocrypt's own benchmark over the library in its wheel and over ours, by turns.

    python bench/pymongo.py --lib PATH [--rounds N] [--quick]

`test/performance/perf_test.py` comes with the source distribution of pymongocrypt and is run as it
is: documents of 1500 encrypted strings, decrypted with 1, 2, 8 and 64 threads, ten parts of a second
each. The figure is documents per second, the median of the parts. Printed are the medians over the
rounds and their ratios.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "interop"))
import pymongocrypt_suite  # noqa: E402

QUICK = "import unittest, test.performance.perf_test as b; b.NUM_ITERATIONS = 3; unittest.main(b)"


def run(python, unpacked, library, quick):
    """Documents per second by number of threads; `library` is None for the wheel's own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYMONGOCRYPT_LIB"}
    if library:
        environment["PYMONGOCRYPT_LIB"] = str(library)
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "results.json"
        command = [python, *(["-c", QUICK] if quick else ["-m", "test.performance.perf_test"])]
        environment["OUTPUT_FILE"] = str(output)
        subprocess.run(
            command, cwd=unpacked, env=environment, check=True, capture_output=True, text=True
        )
        results = json.loads(output.read_text())
    return {
        result["info"]["args"]["threads"]: result["metrics"][0]["value"] for result in results
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=pathlib.Path, required=True, help="our shared library")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each library")
    parser.add_argument("--quick", action="store_true", help="three parts of a second, not ten")
    arguments = parser.parse_args()
    library = arguments.lib.resolve(strict=True)
    prefix = pathlib.Path(sys.prefix).absolute()
    python = prefix / "bin" / "python"
    unpacked = pymongocrypt_suite.source(python, prefix / "sdist")
    pymongocrypt_suite.prepare(python, unpacked)

    wheel, ours = [], []
    for _ in range(arguments.rounds):
        wheel.append(run(python, unpacked, None, arguments.quick))
        ours.append(run(python, unpacked, library, arguments.quick))
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
