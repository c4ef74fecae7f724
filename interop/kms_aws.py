"""AWS KMS as moto plays it, over TLS and with its signature check on: `fieldveil keys` against it."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import boto3
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption

from bson.codec_options import CodecOptions
from bson.binary import STANDARD
from certificates import Authority
from fixtures import check, end, free_port, program, scratch, server

REGION = "us-east-1"
VAULT = "encryption.__keyVault"
# Setting up the account takes this many requests, which moto lets through unsigned.
SETUP_REQUESTS = 4
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}],
}


@contextlib.contextmanager
def moto(authority):
    """moto on a free port; gives the port."""
    certificate, key, _ = authority.issue("moto")
    port = free_port()
    environment = dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT=str(SETUP_REQUESTS))
    command = pathlib.Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [command, "-H", "127.0.0.1", "-p", str(port), "-s", "-c", certificate, "-k", key],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with contextlib.ExitStack() as stack:
        stack.callback(end, process)
        for line in process.stdout:
            if "Running on" in line:
                break
        yield port


def set_up_account(port, authority):
    """A user with an access key that may use KMS, and a KMS key."""

    def client(service):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"https://127.0.0.1:{port}",
            verify=str(authority.file),
            aws_access_key_id="setup",
            aws_secret_access_key="setup",
        )

    iam = client("iam")
    iam.create_user(UserName="app")
    iam.put_user_policy(UserName="app", PolicyName="kms", PolicyDocument=json.dumps(POLICY))
    access = iam.create_access_key(UserName="app")["AccessKey"]
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    return access["AccessKeyId"], access["SecretAccessKey"], key


def main():
    with scratch() as folder, server() as uri:
        authority = Authority(folder)
        with moto(authority) as port:
            access_key_id, secret, key = set_up_account(port, authority)
            kms_key = json.dumps({"region": REGION, "key": key, "endpoint": f"127.0.0.1:{port}"})

            def keys(*arguments, secret=secret, ca=authority.file, status=0):
                config = folder / "fieldveil.toml"
                config.write_text(
                    f"""
                    uri = "{uri}?directConnection=true"
                    key_vault = "{VAULT}"
                    [providers.local]
                    key.file = "{folder / 'master-key.bin'}"
                    [providers.aws]
                    access_key_id = "{access_key_id}"
                    secret_access_key.env = "AWS_SECRET"
                    tls.ca_file = "{ca}"
                    """
                )
                done = subprocess.run(
                    [program("fieldveil"), "keys", *arguments, "--config", config],
                    env=dict(os.environ, AWS_SECRET=secret),
                    capture_output=True,
                    text=True,
                )
                if done.returncode != status:
                    sys.exit(f"keys {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
                check("no secret in what is printed", secret not in done.stdout + done.stderr)
                return done.stdout + done.stderr

            subprocess.run(
                [program("fieldveil"), "keys", "generate-master-key", "--out", folder / "master-key.bin"],
                check=True,
                stderr=subprocess.DEVNULL,
            )
            aws = ("--provider", "aws", "--kms-key", kms_key)
            shown = keys("test", *aws)
            check("AWS wraps and unwraps a data key", "unwraps it in" in shown)

            shown = keys("test", *aws, secret="wrong" * 8, status=1)
            check("a wrong signature is refused by AWS, and said so", "SignatureDoesNotMatch" in shown)
            other = Authority(folder, "other")
            shown = keys("test", *aws, ca=other.file, status=1)
            check("a certificate of another authority is not trusted", "certificate" in shown)

            keys("create", "--alt-name", "old")
            with ClientEncryption(
                {"aws": {"accessKeyId": access_key_id, "secretAccessKey": secret}},
                VAULT,
                MongoClient(uri),
                CodecOptions(uuid_representation=STANDARD),
                kms_tls_options={"aws": {"tlsCAFile": str(authority.file)}},
            ) as pymongo:
                shown = keys("rewrap", "--to", "aws", "--kms-key", kms_key, status=10)
                check("a dry run of a rewrap shows what it would do", "local" in shown and "old" in shown)
                keys("rewrap", "--to", "aws", "--kms-key", kms_key, "--apply")
                shown = keys("rewrap", "--to", "aws", "--kms-key", kms_key, "--apply")
                check("a rewrap that is done has nothing left to do", "0 are to be wrapped anew" in shown)
                random = Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random
                secret_value = pymongo.encrypt("value", random, key_alt_name="old")
                check("PyMongo uses the key that was rewrapped to AWS", pymongo.decrypt(secret_value) == "value")

                master_key = json.loads(kms_key)
                pymongo.create_data_key("aws", master_key=master_key, key_alt_names=["theirs"])
                keys("rewrap", "--to", "local", "--alt-name", "theirs", "--apply")
            check("a key that PyMongo made under AWS is rewrapped to local", True)


if __name__ == "__main__":
    main()
