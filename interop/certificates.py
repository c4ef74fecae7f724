"""A certificate authority for one test run: servers on the loopback interface, and their clients."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM
LOOPBACK = ("localhost", "127.0.0.1")


class Authority:
    """Writes `ca.pem`, and with `issue` a certificate and its key as `NAME.pem` and `NAME.key`."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"interop {name}")])
        builder = self._builder(self.subject, self.key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, name, hosts=LOOPBACK, expired=False):
        """A certificate for `hosts`; its key; also both in one file, as drivers want it."""
        # PyKMIP has modern cipher suites for elliptic curves only.
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usages = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            self._builder(subject, key, expired)
            .add_extension(x509.SubjectAlternativeName([_host(it) for it in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        certificate = builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)
        plain = serialization.NoEncryption()
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
        files = [self.folder / f"{name}{ending}" for ending in (".pem", ".key", "-both.pem")]
        for file, content in zip(files, (certificate, private, certificate + private)):
            file.write_bytes(content)
        return files

    def _builder(self, subject, key, expired=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        if expired:
            now -= datetime.timedelta(days=2)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


def _host(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
