"""KMIP as PyKMIP's server speaks it, over mutual TLS: `fieldveil keys` against it."""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time

from certificates import Authority
from fixtures import check, free_port, scratch, server
from kms.keys import KMS_FAILED, RANDOM, Keys


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


def configuration(port, ca, certificate=None):
    return f"""
        [providers.kmip]
        endpoint = "127.0.0.1:{port}"
        tls.ca_file = "{ca}"
        {f'tls.certificate_key_file = "{certificate}"' if certificate else ''}
    """


def main():
    with scratch() as folder, server() as uri:
        authority = Authority(folder)
        _, private, client = authority.issue("client")
        port = free_port()
        keys = Keys(folder, uri, configuration(port, authority.file, client))
        keys.seen.append(private.read_text().splitlines()[1].encode())
        options = {
            "providers": {"kmip": {"endpoint": f"127.0.0.1:{port}"}},
            "tls": {"kmip": {"tlsCAFile": str(authority.file), "tlsCertificateKeyFile": str(client)}},
        }
        delegated = ("--kms-key", json.dumps({"delegated": True}))
        with kmip(folder, authority, port):
            check("KMIP makes a secret, wraps and unwraps", "unwraps it in" in keys("test", "--provider", "kmip"))
            shown = keys("test", "--provider", "kmip", *delegated)
            check("KMIP wraps and unwraps on its own side", "unwraps it in" in shown)
            keys("create", "--provider", "kmip", "--alt-name", "ours")
            keys("create", "--provider", "kmip", *delegated, "--alt-name", "delegated")
            with keys.pymongo(**options) as peer:
                value = peer.encrypt("value", RANDOM, key_alt_name="ours")
                on_its_side = peer.encrypt("value", RANDOM, key_alt_name="delegated")

            stranger = Authority(folder, "stranger").issue("stranger")[2]
            shown = keys("test", "--provider", "kmip", config=configuration(port, authority.file, stranger), status=KMS_FAILED)
            check("a client certificate of another authority is refused", "KMS provider 'kmip'" in shown)
            shown = keys("test", "--provider", "kmip", config=configuration(port, authority.file), status=KMS_FAILED)
            check("no client certificate is refused", "KMS provider 'kmip'" in shown)
            other = Authority(folder, "other").file
            shown = keys("test", "--provider", "kmip", config=configuration(port, other, client), status=KMS_FAILED)
            check("a server of another authority is not trusted", "certificate" in shown)
            for which in ({"keyId": "999"}, {"keyId": "999", "delegated": True}):
                shown = keys("test", "--provider", "kmip", "--kms-key", json.dumps(which), status=KMS_FAILED)
                check("an unknown key id is said to be so", "KMIP response error" in shown)

        shown = keys("test", "--provider", "kmip", status=KMS_FAILED)
        check("a server that does not run is said to be out of reach", f"127.0.0.1:{port}" in shown)

        with kmip(folder, authority, port):
            with keys.pymongo(**options) as peer:
                check("PyMongo decrypts under our key after a restart", peer.decrypt(value) == "value")
                check("and under one that KMIP never gave away", peer.decrypt(on_its_side) == "value")
            keys.exchange("kmip", {}, options)
            shown = keys("rewrap", "--to", "kmip", "--kms-key", json.dumps({"keyId": "1"}), "--apply")
            check("keys are rewrapped under another KMIP secret", " 0 failed" in shown)
            with keys.pymongo(**options) as peer:
                check("and PyMongo decrypts under them", peer.decrypt(value) == "value")
        check(f"no secret and no key in the logs of {keys.runs} runs", keys.runs > 10)


if __name__ == "__main__":
    main()
