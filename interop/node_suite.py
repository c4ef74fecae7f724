"""The official Node driver and mongosh against `fieldveil serve`, unmodified.

    node_suite.py LIBRARY_DIRECTORY

The packages of `node/package.json` come from npm, once, into the cache outside the repository. The
driver's encryption module is built there over our libmongocrypt.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from pymongo import MongoClient
from pymongo.errors import OperationFailure

import fixtures
from certificates import Authority

HERE = pathlib.Path(__file__).resolve().parent
LIBRARIES = pathlib.Path(sys.argv[1])
USER, PASSWORD = "Ada", "p/w@rd"


def main():
    modules = installed()
    with fixtures.server("--replica-set", "rs0") as uri:
        print("The Node driver, and again with zlib", flush=True)
        node(modules, "session.mjs", f"{uri}?replicaSet=rs0")
        node(modules, "session.mjs", f"{uri}?replicaSet=rs0&compressors=zlib")
        print("mongosh", flush=True)
        mongosh(modules, f"{uri}?replicaSet=rs0")
    with fixtures.server() as uri:
        print("Encryption by the Node driver", flush=True)
        node(modules, "encryption.mjs", uri)
        node(modules, "encryption.mjs", uri, str(LIBRARIES / "mongo_crypt_v1.so"))
    with fixtures.scratch() as folder:
        secured(modules, folder)


def secured(modules, folder):
    """TLS with a certificate of its own, and both mechanisms of SCRAM."""
    print("TLS and SCRAM", flush=True)
    authority = Authority(folder)
    certificate, key, _ = authority.issue("server")
    flags = ["--auth", "--tls-certificate", certificate, "--tls-key", key]
    with fixtures.server(*flags) as uri:
        tls = {"tls": True, "tlsCAFile": str(authority.file)}
        with MongoClient(uri, **tls) as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
        only_administrators_see(uri, tls)
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-1"]:
            login = {"username": USER, "password": PASSWORD}
            node(modules, "session.mjs", uri, json.dumps({**tls, "auth": login, "authMechanism": mechanism}))
        mongosh(modules, uri, "--tls", "--tlsCAFile", authority.file, "-u", USER, "-p", PASSWORD)
        wrong = subprocess.run(
            [*shell(modules, uri), "--tls", "--tlsCAFile", authority.file, "-u", USER, "-p", "wrong",
             "--authenticationDatabase", "admin", "--eval", "db.people.find()"],
            capture_output=True, text=True, env=environment(modules),
        )
        fixtures.check("a wrong password is refused", "Authentication failed" in wrong.stderr + wrong.stdout)


def only_administrators_see(uri, tls):
    """The users, and what the profiler wrote, are closed to others by every way."""
    with MongoClient(uri, username=USER, password=PASSWORD, **tls) as root:
        root.app.command("profile", 2)
        root.app.people.insert_one({"_id": 1})
        root.app.command("profile", 0)
        fixtures.check("the profiler wrote that down", root.app["system.profile"].count_documents({}) > 0)
        for database in ["app", "admin"]:
            root[database].command("createUser", "writer", pwd="w", roles=["readWrite"])
    for database, collection in [("app", "system.profile"), ("admin", "system.users")]:
        login = {"username": "writer", "password": "w", "authSource": database}
        with MongoClient(uri, **login, **tls) as client:
            there = client[database]
            there.own.insert_one({})
            moved = {"renameCollection": f"{database}.{collection}", "to": f"{database}.mine"}
            joined = {"from": collection, "as": "found", "pipeline": []}
            for name, action in {
                "find": lambda: there[collection].find_one(),
                "count": lambda: there[collection].count_documents({}),
                "a view": lambda: there.command("create", "view", viewOn=collection, pipeline=[]),
                "$lookup": lambda: list(there.own.aggregate([{"$lookup": joined}])),
                "$unionWith": lambda: list(there.own.aggregate([{"$unionWith": collection}])),
                "a copy": lambda: there.command("cloneCollectionAsCapped", collection, toCollection="x", size=1),
                "dataSize": lambda: there.command("dataSize", f"{database}.{collection}"),
                "drop": lambda: there.command("drop", collection),
                "a new name": lambda: client.admin.command(moved),
            }.items():
                fixtures.check(f"{name} of {collection} is not for everyone", is_unauthorized(action))


def is_unauthorized(action):
    try:
        action()
    except OperationFailure as error:
        return error.code == 13
    return False


def installed():
    """The folder of the installed packages, made if it is missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        fixtures.install_node()
    wanted = (HERE / "node/package.json").read_bytes()
    folder = fixtures.CACHE / f"node-{hashlib.sha256(wanted).hexdigest()[:12]}"
    stamp = folder / "complete"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(wanted)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.check_call(["npm", "install", *quiet], cwd=folder)
        build_binding(folder)
        stamp.touch()
    return folder


def build_binding(folder):
    """Builds the encryption module's binding, which finds its library when it is loaded."""
    module = folder / "node_modules/mongodb-client-encryption"
    flags = {
        "CXXFLAGS": f"-I{LIBRARIES.parent / 'include'}",
        "LDFLAGS": f"-L{LIBRARIES}",
        "GYP_DEFINES": "libmongocrypt_link_type=dynamic mongocrypt_avoid_openssl_crypto=true",
    }
    done = subprocess.run(
        ["npm", "run", "rebuild"], cwd=module, env=os.environ | flags, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode:
        sys.exit(f"the encryption module does not build:\n{done.stdout[-3000:]}")


def environment(modules):
    return os.environ | {
        "LD_LIBRARY_PATH": str(LIBRARIES),
        # mongosh writes its settings and history there.
        "HOME": str(modules),
    }


def node(modules, program, *arguments):
    # An ES module is resolved from where it lies: beside the packages.
    shutil.copy(HERE / "node" / program, modules / program)
    done = subprocess.run(["node", modules / program, *arguments], env=environment(modules), timeout=300)
    fixtures.check(f"{program} ends well", done.returncode == 0)


def shell(modules, uri):
    return ["node", modules / "node_modules/mongosh/bin/mongosh.js", uri, "--quiet", "--norc"]


def mongosh(modules, uri, *options):
    command = [*shell(modules, uri), *options]
    if "-u" in options:
        command += ["--authenticationDatabase", "admin"]
    done = subprocess.run(
        [*command, "--file", HERE / "node/shell.js"], env=environment(modules), timeout=300
    )
    fixtures.check("mongosh ends well", done.returncode == 0)


if __name__ == "__main__":
    main()
