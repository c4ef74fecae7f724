"""Azure Key Vault and Google Cloud KMS, as strict fakes play them: `fieldveil keys` against them.

The program reaches the hosts of the clouds by an HTTP proxy that leads to the fakes, so it asks
under the names and ports that it would use in earnest.
"""

import contextlib
import json
import socket

from certificates import LOOPBACK, Authority
from cryptography.hazmat.primitives import serialization
from kms.loose_fakes import encoded
from fixtures import check, scratch, server
from kms.front import Front, Tunnel, dribble, drop, refuse, stall, truncate
from kms.keys import KMS_FAILED, RANDOM, Keys
from kms.strict_fakes import Azure, Gcp

HOSTS = [Azure.VAULT, Azure.LOGIN, Gcp.TOKENS, Gcp.KMS]


@contextlib.contextmanager
def resolved_here(port):
    """In this process, the clouds' names lead to this port."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, asked, *args, **kwargs):
        if host in HOSTS:
            host, asked = "127.0.0.1", port
        return resolve(host, asked, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = resolve


def azure_table(azure, ca):
    return f"""
        [providers.azure]
        tenant_id = "{azure.tenant}"
        client_id = "{azure.client}"
        client_secret.env = "AZURE_SECRET"
        tls.ca_file = "{ca}"
    """


def gcp_table(gcp, ca, key):
    return f"""
        [providers.gcp]
        email = "{gcp.email}"
        private_key.file = "{key}"
        tls.ca_file = "{ca}"
    """


def try_faults(keys, provider, kms_key, fake, front):
    """What may happen on the way, in the same words for both clouds."""
    command = ("test", "--provider", provider, "--kms-key", json.dumps(kms_key))

    fake.token_requests = 0
    check(f"{provider} wraps and unwraps a data key", "unwraps it in" in keys(*command))
    check("one token serves for both", fake.token_requests == 1)
    fake.token_requests, fake.lifetime = 0, 1
    keys(*command)
    check("a token that is about to expire is not used again", fake.token_requests == 2)
    fake.lifetime = 3600

    def revoke(stream, answer):
        fake.revoke()
        stream.sendall(answer())

    # The requests are: token, wrap, unwrap.
    fake.token_requests = 0
    front.faults.extend([send, send, revoke])
    keys(*command)
    check("a token that is refused is replaced by a new one", fake.token_requests == 2)
    front.faults.extend([send, refuse(401, {"error": "x"})])
    shown = keys(*command, status=KMS_FAILED)
    check("a new token that is refused is an error", "HTTP status=401" in shown)

    for what, fault in [
        ("status 429", refuse(429, {"error": {"code": "Throttled"}})),
        ("status 500", refuse(500, {"error": {"code": "InternalServerError"}})),
        ("half a reply", truncate),
        ("a dropped connection", drop),
    ]:
        for place in range(3):
            front.requests.clear()
            front.faults.extend([send] * place + [fault])
            keys(*command)
            check(f"after {what} request {place + 1} of 3 is sent again", len(front.requests) == 4)
    front.faults.extend([dribble] * 3)
    check("a slow reply is waited for", "unwraps it in" in keys(*command))
    front.faults.extend([refuse(429, {})] * 4)
    shown = keys(*command, status=KMS_FAILED)
    check("throttled for good, it gives up", "failed after maximum of 3 retries" in shown)
    front.faults.extend([stall] * 4)
    shown = keys(*command, config=keys.config.replace("_secs = 10", "_secs = 1"), status=KMS_FAILED)
    check("left without an answer, it gives up", "did not answer within 1 s" in shown)
    front.faults.extend([send, refuse(200, b'{"value": "AAAA", "ciphertext": "AAAA"}')])
    shown = keys(*command, status=KMS_FAILED)
    check("a wrapped key that is too short is refused", "not expected length" in shown)
    front.faults.extend([refuse(200, b"<html>")])
    shown = keys(*command, status=KMS_FAILED)
    check("what is no JSON is said to be so", "Error parsing JSON" in shown)


def send(stream, answer):
    """No fault."""
    stream.sendall(answer())


def main():
    with contextlib.ExitStack() as stack:
        folder, uri = stack.enter_context(scratch()), stack.enter_context(server())
        authority = Authority(folder)
        certificate, private, _ = authority.issue("clouds", [*LOOPBACK, *HOSTS])
        azure, gcp = Azure(), Gcp()

        def answer(request):
            is_azure = request.headers.get("host") in (Azure.VAULT, Azure.LOGIN)
            return (azure if is_azure else gcp).answer(request)

        front = stack.enter_context(Front(certificate, private, answer))
        tunnel = stack.enter_context(Tunnel(front.port))
        stack.enter_context(resolved_here(front.port))
        account = folder / "account.pem"
        pem = gcp.private_key(serialization.Encoding.PEM)
        account.write_bytes(pem)
        kms = f'[kms]\nproxy = "127.0.0.1:{tunnel.port}"\ntimeout_secs = 10\n'
        tables = azure_table(azure, authority.file) + gcp_table(gcp, authority.file, account)
        keys = Keys(folder, uri, kms + tables, {"AZURE_SECRET": azure.secret})
        keys.seen += pem.splitlines()[1:-1]
        # Lists that grow while the fakes are asked.
        keys.watched = [azure.seen, gcp.seen]
        ca = {"tlsCAFile": str(authority.file)}

        on_azure = {"keyVaultEndpoint": Azure.VAULT, "keyName": Azure.KEY}
        try_faults(keys, "azure", on_azure, azure, front)
        command = ("test", "--provider", "azure", "--kms-key", json.dumps(on_azure))
        shown = keys(*command, status=KMS_FAILED, AZURE_SECRET="wrong secret, wrong secret")
        check("a wrong client secret is said to be so", "AADSTS7000215" in shown)
        shown = keys(*command, AZURE_SECRET=azure.odd_secret)
        check("a client secret may have any character", "unwraps it in" in shown)
        unknown = json.dumps({**on_azure, "keyName": "unknown"})
        shown = keys("test", "--provider", "azure", "--kms-key", unknown, status=KMS_FAILED)
        check("an unknown key is said to be so", "KeyNotFound" in shown)
        credentials = {"tenantId": azure.tenant, "clientId": azure.client, "clientSecret": azure.secret}
        options = {"providers": {"azure": credentials}, "tls": {"azure": ca}}
        keys.exchange("azure", on_azure, options)
        old = {**on_azure, "keyVersion": azure.versions[-1][0]}
        keys("create", "--provider", "azure", "--kms-key", json.dumps(old), "--alt-name", "versioned")
        new = {**on_azure, "keyVersion": azure.rotate()}
        with keys.pymongo(**options) as peer:
            value = peer.encrypt("value", RANDOM, key_alt_name="versioned")
        move = ("rewrap", "--to", "azure", "--kms-key", json.dumps(new), "--alt-name", "versioned")
        keys(*move, "--apply")
        with keys.pymongo(**options) as peer:
            check("a data key follows its key to a new version", peer.decrypt(value) == "value")

        on_gcp = Gcp.KEY
        try_faults(keys, "gcp", on_gcp, gcp, front)
        stranger = folder / "stranger.pem"
        stranger.write_bytes(Gcp().private_key(serialization.Encoding.PEM))
        command = ("test", "--provider", "gcp", "--kms-key", json.dumps(on_gcp))
        shown = keys(*command, config=kms + gcp_table(gcp, authority.file, stranger), status=KMS_FAILED)
        check("a signature of another key is refused, and said so", "Invalid JWT Signature" in shown)
        unknown = json.dumps({**on_gcp, "keyName": "unknown"})
        shown = keys("test", "--provider", "gcp", "--kms-key", unknown, status=KMS_FAILED)
        check("an unknown key is said to be so", "NOT_FOUND" in shown)
        keys("test", "--provider", "gcp", "--kms-key", json.dumps({**on_gcp, "keyVersion": "1"}))
        der = encoded(gcp.private_key(serialization.Encoding.DER))
        options = {"providers": {"gcp": {"email": gcp.email, "privateKey": der}}, "tls": {"gcp": ca}}
        keys.exchange("gcp", on_gcp, options)

        violations = azure.violations + gcp.violations
        check(f"every request was as the API wants it {violations or ''}", not violations)
        expected = {f"{host}:443" for host in HOSTS}
        check("all hosts were reached by the proxy", set(tunnel.hosts) == expected)
        known = len(azure.seen) + len(gcp.seen)
        check(f"none of {known} tokens and keys in the logs of {keys.runs} runs", known > 100)


if __name__ == "__main__":
    main()
