"""The snippets of `docs/server.md` do what the page says, and its lists are those of the server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.errors import OperationFailure

import fixtures

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs/server.md").read_text()

PYTHON_TEST = """
def test_insert(db):
    db.people.insert_one({"_id": 1})
    assert db.people.count_documents({}) == 1

def test_again(db):
    assert db.list_collection_names() == []
"""

NODE_TEST = """
import { Socket } from "node:net";
import { startServer } from "./server.mjs";

const { uri, stop } = await startServer();
const { hostname, port } = new URL(uri);
await new Promise((done, failed) => new Socket().on("error", failed).connect(port, hostname, done).on("connect", function () { this.end(); }));
await stop();
"""


def main():
    with fixtures.scratch() as folder:
        os.environ["PATH"] = f"{fixtures.BUILT}{os.pathsep}{os.environ['PATH']}"
        (folder / "conftest.py").write_text(snippet("python"))
        (folder / "test_it.py").write_text(PYTHON_TEST)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
        done = subprocess.run(pytest, check=False)
        fixtures.check("the fixture of pytest starts and ends a server", done.returncode == 0)
        (folder / "server.mjs").write_text(snippet("js"))
        if shutil.which("node") is None:
            fixtures.install_node()
        (folder / "test.mjs").write_text(NODE_TEST)
        done = subprocess.run(["node", folder / "test.mjs"], timeout=60, check=False)
        fixtures.check("so does the snippet for Node", done.returncode == 0)
        socket = folder / "fieldveil.sock"
        with fixtures.server("--unix-socket", socket), MongoClient(f"mongodb://{quote_plus(str(socket))}") as client:
            fixtures.check("a driver reaches the Unix domain socket", client.admin.command("ping")["ok"] == 1)
    with fixtures.server("--enable-test-commands") as uri, MongoClient(uri) as client:
        for_tests = commands_of(client)
    with fixtures.server() as uri, MongoClient(uri) as client:
        commands = commands_of(client)
        check_has(r"\*\*Commands\.\*\*", commands)
        check_has(r"\*\*Commands for tests\.\*\*", for_tests - commands)
        for stage in names(r"\*\*Stages\.\*\*"):
            fixtures.check(f"stage {stage} is refused", is_refused(client, {stage: {}}))
        for name in names(r"\*\*Expressions\.\*\*"):
            stages = [{"$project": {"x": {name: {}}}}, {"$group": {"_id": 1, "x": {name: {}}}}]
            fixtures.check(f"expression {name} is refused", all(is_refused(client, it) for it in stages))


def commands_of(client):
    return set(client.admin.command("listCommands")["commands"])


def check_has(heading, commands):
    missing = commands - names(heading)
    fixtures.check(f"the page has every command{''.join(f', but not {it}' for it in sorted(missing))}", not missing)


def snippet(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def names(heading):
    """The names in backticks of the paragraph with this heading."""
    paragraph = re.search(rf"{heading}(.*?)\n\n", PAGE, re.DOTALL)[1]
    return set(re.findall(r"`([$\w]+)`", paragraph))


def is_refused(client, stage):
    for target in [client.test, client.test.people]:
        try:
            target.aggregate([stage])
        except OperationFailure:
            continue
        return False
    return True


if __name__ == "__main__":
    main()
