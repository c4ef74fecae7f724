"""KMIP as PyKMIP's server speaks it, over mutual TLS: `fieldveil keys` against it."""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time

from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption

from bson.binary import STANDARD
from bson.codec_options import CodecOptions
from certificates import Authority
from fixtures import check, free_port, program, scratch, server

VAULT = "encryption.__keyVault"


@contextlib.contextmanager
def kmip(folder, authority, port):
    """PyKMIP's server; its objects stay in `folder`, so that it can be started again."""
    certificate, key, _ = authority.issue("kmip")
    config = folder / "kmip.conf"
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    config.write_text(
        f"""
[server]
hostname=127.0.0.1
port={port}
certificate_path={certificate}
key_path={key}
ca_path={authority.file}
auth_suite=TLS1.2
policy_path={policies}
enable_tls_client_auth=True
database_path={folder / 'kmip.db'}
"""
    )
    command = pathlib.Path(sys.executable).with_name("pykmip-server")
    log = folder / "kmip.log"
    process = subprocess.Popen(
        [command, "-f", config, "-l", log], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with contextlib.ExitStack() as stack:
        # It does not end on SIGTERM; what it keeps is in a database, as after a crash.
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_for(port, process, log)
        yield


def wait_for(port, process, log):
    """Until the server accepts connections; it says nothing when it does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            sys.exit(f"PyKMIP ended:\n{process.stdout.read()}{log.read_text() if log.exists() else ''}")
        time.sleep(0.05)
    sys.exit("PyKMIP does not listen")


def main():
    with scratch() as folder, server() as uri:
        authority = Authority(folder)
        _, _, client = authority.issue("client")
        port = free_port()

        def keys(*arguments, certificate=client, status=0):
            config = folder / "fieldveil.toml"
            config.write_text(
                f"""
                uri = "{uri}?directConnection=true"
                key_vault = "{VAULT}"
                [providers.kmip]
                endpoint = "127.0.0.1:{port}"
                tls.ca_file = "{authority.file}"
                tls.certificate_key_file = "{certificate}"
                """
            )
            done = subprocess.run(
                [program("fieldveil"), "keys", *arguments, "--config", config],
                capture_output=True,
                text=True,
            )
            if done.returncode != status:
                sys.exit(f"keys {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
            return done.stdout + done.stderr

        def pymongo():
            return ClientEncryption(
                {"kmip": {"endpoint": f"127.0.0.1:{port}"}},
                VAULT,
                MongoClient(uri),
                CodecOptions(uuid_representation=STANDARD),
                kms_tls_options={
                    "kmip": {"tlsCAFile": str(authority.file), "tlsCertificateKeyFile": str(client)}
                },
            )

        random = Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random
        with kmip(folder, authority, port):
            check("KMIP makes a secret, wraps and unwraps", "unwraps it in" in keys("test", "--provider", "kmip"))
            delegated = json.dumps({"delegated": True})
            shown = keys("test", "--provider", "kmip", "--kms-key", delegated)
            check("KMIP wraps and unwraps on its own side", "unwraps it in" in shown)
            keys("create", "--provider", "kmip", "--alt-name", "ours")
            with pymongo() as theirs:
                value = theirs.encrypt("value", random, key_alt_name="ours")

            stranger = Authority(folder, "stranger").issue("stranger")[2]
            shown = keys("test", "--provider", "kmip", certificate=stranger, status=1)
            check("a client certificate of another authority is refused", "kmip" in shown)
            unknown = json.dumps({"keyId": "999"})
            shown = keys("test", "--provider", "kmip", "--kms-key", unknown, status=1)
            check("an unknown key id is said to be so", "KMIP response error" in shown)

        with kmip(folder, authority, port), pymongo() as theirs:
            check("PyMongo decrypts under our key after a restart", theirs.decrypt(value) == "value")
            shown = keys("rewrap", "--to", "kmip", "--kms-key", json.dumps({"keyId": "1"}), "--apply")
            check("keys are rewrapped under another KMIP secret", "1 keys wrapped anew, 0 failed" in shown)


if __name__ == "__main__":
    main()
