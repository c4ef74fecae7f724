"""A plugin of pytest for PyMongo's own tests: what is left out, and where things are on this machine.

`suite.py` loads it and says by environment variables what to do.
"""

import fnmatch
import json
import os
import socket
import socketserver
import sys

import pymongo.pool_options

# PyMongo tells the server when it runs in a container, which its tests of that message do not expect.
pymongo.pool_options.DOCKER_ENV_PATH = "/not/a/container"

CLOUDS = (".amazonaws.com", ".vault.azure.net", "login.microsoftonline.com", ".googleapis.com")
PORTS = {int(asked): given for asked, given in json.loads(os.environ.get("FIELDVEIL_PORTS", "{}")).items()}

# A second name of this machine, for which PyMongo's certificate of a server does not stand.
ALIAS = "server"

resolve = socket.getaddrinfo
resolve_name = socket.gethostbyname
bind = socketserver.TCPServer.server_bind


def getaddrinfo(host, port, *args, **kwargs):
    """The clouds are on this machine, and fixed ports of the tests are elsewhere on it."""
    if isinstance(host, str) and host.endswith(CLOUDS) and "FIELDVEIL_CLOUDS" in os.environ:
        host, port = "127.0.0.1", int(os.environ["FIELDVEIL_CLOUDS"])
    elif host in ("localhost", "127.0.0.1", ALIAS):
        host, port = host.replace(ALIAS, "localhost"), PORTS.get(port, port)
    return resolve(host, port, *args, **kwargs)


def gethostbyname(host):
    return resolve_name("localhost" if host == ALIAS else host)


def server_bind(self):
    host, port = self.server_address
    self.server_address = (host, PORTS.get(port, port))
    return bind(self)


socket.getaddrinfo = getaddrinfo
socket.gethostbyname = gethostbyname
socketserver.TCPServer.server_bind = server_bind


def pytest_collection_modifyitems(config, items):
    patterns = os.environ["FIELDVEIL_SKIPS"].splitlines()
    left_out = [item for item in items if any(fnmatch.fnmatchcase(item.nodeid, it) for it in patterns)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    if "test.test_encryption" in sys.modules and "FIELDVEIL_CLOUDS" in os.environ:
        adapt_corpus(sys.modules["test.test_encryption"])


def adapt_corpus(tests):
    import corpus

    read = tests.json_data

    def json_data(*path):
        if path != ("corpus", "corpus-encrypted.json"):
            return read(*path)
        providers = (*corpus.CLOUDS, "local")
        keys = {it: read("corpus", f"corpus-key-{it}.json") for it in providers}
        return corpus.without_accounts(read(*path), keys, tests.LOCAL_MASTER_KEY)

    tests.json_data = json_data
