"""AWS KMS as moto plays it, over TLS and with its signature check on: `fieldveil keys` against it.

moto neither throttles nor lets tokens expire. A front before it does, with the replies that AWS
documents for it; everything else it hands on to moto.
"""

import base64
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import boto3

from certificates import Authority
from fixtures import check, end, free_port, scratch, server
from kms.front import Front, drop, forward, refuse, stall, truncate
from kms.keys import KMS_FAILED, RANDOM, Keys

REGION = "us-east-1"
# Setting up the account takes this many requests, which moto lets through unsigned.
SETUP_REQUESTS = 7
ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}

# As "AWS KMS: Common error types" has them.
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}
EXPIRED = {
    "__type": "ExpiredTokenException",
    "message": "The security token included in the request is expired",
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
    """A user with an access key that may use KMS, the credentials of a role, and a KMS key."""

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
    iam.put_user_policy(UserName="app", PolicyName="kms", PolicyDocument=json.dumps(ALLOWED))
    access = iam.create_access_key(UserName="app")["AccessKey"]
    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    iam.put_role_policy(RoleName="job", PolicyName="kms", PolicyDocument=json.dumps(ALLOWED))
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    temporary = client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="job")["Credentials"]
    return access, temporary, key


def configuration(access_key_id, ca, token=False):
    return f"""
        [kms]
        timeout_secs = 5
        [providers.aws]
        access_key_id = "{access_key_id}"
        secret_access_key.env = "AWS_SECRET"
        {'session_token.env = "AWS_TOKEN"' if token else ''}
        tls.ca_file = "{ca}"
    """


def main():
    with contextlib.ExitStack() as stack:
        folder, uri = stack.enter_context(scratch()), stack.enter_context(server())
        authority = Authority(folder)
        port = stack.enter_context(moto(authority))
        access, temporary, key = set_up_account(port, authority)
        access_key_id, secret = access["AccessKeyId"], access["SecretAccessKey"]
        certificate, private, _ = authority.issue("front")
        handed_on = forward(port, authority.file)

        def answer(request):
            plain = json.loads(request.body).get("Plaintext")
            if plain:
                keys.seen.append(base64.b64decode(plain))
            return handed_on(request)

        front = stack.enter_context(Front(certificate, private, answer))
        master_key = {"region": REGION, "key": key, "endpoint": f"127.0.0.1:{front.port}"}
        aws = ("--provider", "aws", "--kms-key", json.dumps(master_key))
        keys = Keys(folder, uri, configuration(access_key_id, authority.file), {"AWS_SECRET": secret})

        check("AWS wraps and unwraps a data key", "unwraps it in" in keys("test", *aws))
        shown = keys("test", *aws, status=KMS_FAILED, AWS_SECRET="wrong" * 8)
        check("a wrong signature is refused by AWS, and said so", "SignatureDoesNotMatch" in shown)
        other = Authority(folder, "other")
        shown = keys("test", *aws, config=configuration(access_key_id, other.file), status=KMS_FAILED)
        check("a certificate of another authority is not trusted", "certificate" in shown)

        role = configuration(temporary["AccessKeyId"], authority.file, token=True)
        session = {"AWS_SECRET": temporary["SecretAccessKey"], "AWS_TOKEN": temporary["SessionToken"]}
        shown = keys("test", *aws, config=role, **session)
        check("temporary credentials work", "unwraps it in" in shown)
        shown = keys("test", *aws, config=role, status=KMS_FAILED, **{**session, "AWS_TOKEN": "x" * 40})
        check("a wrong session token is refused by AWS, and said so", "HTTP status=40" in shown)
        on_demand = f'[providers.aws]\ntls.ca_file = "{authority.file}"\n'
        found = {
            "AWS_ACCESS_KEY_ID": temporary["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": temporary["SecretAccessKey"],
            "AWS_SESSION_TOKEN": temporary["SessionToken"],
        }
        shown = keys("test", *aws, config=on_demand, **found)
        check("and so those that are found in the environment", "unwraps it in" in shown)
        shown = keys("test", *aws, config=on_demand, status=KMS_FAILED, AWS_EC2_METADATA_DISABLED="true")
        check("without any it says where they are looked for", "set AWS_ACCESS_KEY_ID" in shown)
        front.faults.append(refuse(400, EXPIRED))
        shown = keys("test", *aws, config=role, status=KMS_FAILED, **session)
        check("an expired token is said to be so", "ExpiredTokenException" in shown)

        for what, faults in [
            ("status 429", [refuse(429, {}), refuse(429, {})]),
            ("ThrottlingException", [refuse(400, THROTTLED), refuse(400, THROTTLED)]),
            ("a dropped connection", [drop, drop, drop]),
            ("half a reply", [truncate]),
            ("an error of the service", [refuse(503, {"__type": "KMSInternalException"})]),
        ]:
            front.faults.extend(faults)
            front.requests.clear()
            shown = keys("test", *aws)
            sent = len(front.requests)
            check(f"after {what} the request is sent again", sent == len(faults) + 2)
        for what, fault, expected in [
            ("throttled for good", refuse(400, THROTTLED), "failed after maximum of 3 retries"),
            ("dropped for good", drop, "aws"),
            ("left without an answer", stall, "did not answer within 1 s"),
        ]:
            front.faults.extend([fault] * 4)
            front.requests.clear()
            quick = configuration(access_key_id, authority.file).replace("_secs = 5", "_secs = 1")
            shown = keys("test", *aws, config=quick, status=KMS_FAILED)
            check(f"{what}, it gives up after four attempts", len(front.requests) == 4 and expected in shown)

        keys("create", "--alt-name", "old")
        rewrap = ("rewrap", "--to", "aws", "--kms-key", json.dumps(master_key))
        shown = keys(*rewrap, status=10)
        check("a dry run of a rewrap shows what it would do", "local" in shown and "old" in shown)
        keys(*rewrap, "--apply")
        shown = keys(*rewrap, "--apply")
        check("a rewrap that is done has nothing left to do", "0 are to be wrapped anew" in shown)
        credentials = {"accessKeyId": access_key_id, "secretAccessKey": secret}
        options = {
            "providers": {"aws": credentials},
            "tls": {"aws": {"tlsCAFile": str(authority.file)}},
        }
        with keys.pymongo(**options) as peer:
            value = peer.encrypt("value", RANDOM, key_alt_name="old")
            check("PyMongo uses the key that was rewrapped to AWS", peer.decrypt(value) == "value")
        keys.exchange("aws", master_key, options)
        check(f"no secret and no key in the logs of {keys.runs} runs", len(keys.seen) > 5)


if __name__ == "__main__":
    main()
