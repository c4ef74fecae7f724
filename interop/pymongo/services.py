"""What PyMongo's encryption tests expect to run beside them, and how they find it.

Key services that answer, that fail on purpose and that have wrong certificates, a KMIP server, and
`mongocryptd`. The tests name fixed ports for some; `plugin.py` leads them to the ports that
were free here, so that two runs do not meet.
"""

import base64
import json
import os
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kmip.core.enums import CryptographicAlgorithm, CryptographicUsageMask, SecretDataType
from kmip.pie.client import ProxyKmipClient
from kmip.pie.objects import SecretData, SymmetricKey

import fixtures
from certificates import Authority
from kms import loose_fakes
from kms.pykmip import kmip

# The secret "1" of the published tests, under which their KMIP data keys are wrapped.
KMIP_SECRET = bytes.fromhex(
    "f5c95881f32706703371666849f9fd0e08cd8dc9376128fbdefefd496f3c7c90"
    "f8fb5e4c5d4d047562d4dac63609d363d770317c0b392e9d4689a12572461776"
    "2ff3f0c881e8946aca320f7014389033d23343d40765ee3c298f26a3332ec015"
)
# Their key "11", with which KMIP itself wraps (`delegated`).
KMIP_KEY = bytes.fromhex("ffa70da4e91562c92795354a33b28c56e95f12d061fe58fa5829e023889a4cd1")
# Where tests let a driver look for a daemon, or expect that there is none.
DAEMON_PORTS = [27020, 27021, 27027, 47021]

MONGOCRYPTD = """#!{python}
import os, sys
ports = {ports}
daemon = {daemon!r}
arguments = sys.argv[1:]
if not any(it.startswith("--port") for it in arguments):
    arguments.append("--port=27020")
ported = [
    "--port=" + ports.get(it[7:], it[7:]) if it.startswith("--port=") else it for it in arguments
]
os.execv(daemon, [daemon, *ported])
"""


def environment(stack, folder, known_keys, with_daemon):
    """Starts all of it until `stack` is left; gives the environment variables that lead there."""
    authority = Authority(folder)
    client = authority.issue("client")[2]
    clouds = authority.issue("clouds", loose_fakes.HOSTS)[2]
    plain = authority.issue("server")[2]
    expired = authority.issue("expired", expired=True)[2]
    elsewhere = authority.issue("elsewhere", ["wronghost.com"])[2]

    def serving(*arguments, **options):
        return stack.enter_context(loose_fakes.serving(*arguments, **options))

    ports = {port: fixtures.free_port() for port in DAEMON_PORTS}
    ports[9000] = serving(loose_fakes.Useless, expired)
    ports[9001] = serving(loose_fakes.Useless, elsewhere)
    ports[9002] = serving(loose_fakes.Useless, plain, client_authority=authority.file)
    ports[9003] = serving(loose_fakes.Failing, plain)
    clouds = serving(loose_fakes.Clouds, clouds, known=known_keys)
    kmip_port = fixtures.free_port()
    stack.enter_context(kmip(folder, authority, kmip_port))
    register_kmip_objects(kmip_port, client, authority)
    write_daemon(folder, ports if with_daemon else None)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "FIELDVEIL_PORTS": json.dumps(ports),
        "FIELDVEIL_CLOUDS": str(clouds),
        "CA_PEM": str(authority.file),
        "CLIENT_PEM": str(client),
        "SSL_CERT_FILE": str(authority.file),
        "FLE_KMIP_ENDPOINT": f"localhost:{kmip_port}",
        **credentials(),
    }


def register_kmip_objects(port, client, authority):
    """As the client that the tests are. Names are numbers in the order of registration."""
    connection = ProxyKmipClient(
        hostname="localhost",
        port=port,
        cert=str(client),
        key=str(client),
        ca=str(authority.file),
        config_file=os.devnull,
    )
    secret = SecretData(KMIP_SECRET, SecretDataType.PASSWORD)
    usages = [CryptographicUsageMask.ENCRYPT, CryptographicUsageMask.DECRYPT]
    key = SymmetricKey(CryptographicAlgorithm.AES, 256, KMIP_KEY, usages)
    with connection:
        names = [connection.register(it) for it in [secret] * 10 + [key]]
        connection.activate(names[0])
        connection.activate(names[-1])
    fixtures.check("KMIP has the tests' keys", (names[0], names[-1]) == ("1", "11"))


def write_daemon(folder, ports):
    """A `mongocryptd` that listens where its port was moved to; without ports, one that fails."""
    if ports:
        script = MONGOCRYPTD.format(
            python=sys.executable,
            daemon=str(fixtures.program("mongocryptd")),
            ports={str(asked): str(given) for asked, given in ports.items()},
        )
    else:
        script = "#!/bin/sh\nexit 1\n"
    file = folder / "mongocryptd"
    file.write_text(script)
    file.chmod(0o755)


def credentials():
    """Such as satisfy the tests; the fakes check none but the session token."""
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    gcp = rsa.generate_private_key(65537, 2048)
    gcp = gcp.private_bytes(der, serialization.PrivateFormat.PKCS8, plain)
    return {
        "FLE_AWS_KEY": "nobody",
        "FLE_AWS_SECRET": "nothing",
        "FLE_AWS_KEY2": "nobody",
        "FLE_AWS_SECRET2": "nothing",
        "CSFLE_AWS_TEMP_ACCESS_KEY_ID": "nobody",
        "CSFLE_AWS_TEMP_SECRET_ACCESS_KEY": "nothing",
        "CSFLE_AWS_TEMP_SESSION_TOKEN": "good",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "FLE_AZURE_TENANTID": "nobody",
        "FLE_AZURE_CLIENTID": "nobody",
        "FLE_AZURE_CLIENTSECRET": "nothing",
        "FLE_GCP_EMAIL": "nobody@example.com",
        "FLE_GCP_PRIVATEKEY": base64.b64encode(gcp).decode(),
    }
