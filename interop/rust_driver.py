"""The quick start's story by the official Rust driver, linked to our libmongocrypt.

    rust_driver.py PROGRAM LIBRARY_DIRECTORY

starts `fieldveil serve`, and the program (`interop/rust-driver`) against it, which finds its
libmongocrypt in the directory.
"""

import os
import subprocess
import sys

from fixtures import server


def main():
    program, library = sys.argv[1:]
    with server() as uri:
        environment = {**os.environ, "LD_LIBRARY_PATH": library}
        done = subprocess.run([program, uri, library], env=environment, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
