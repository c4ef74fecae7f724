"""A local master key from HashiCorp Vault, as a strict fake plays it: `fieldveil keys` against it."""

import base64
import contextlib
import os

from certificates import Authority
from fixtures import check, scratch, server
from kms.front import Front, drop, refuse, truncate
from kms.keys import KMS_FAILED, RANDOM, Keys
from kms.strict_vault import Vault


def main():
    with contextlib.ExitStack() as stack:
        folder, uri = stack.enter_context(scratch()), stack.enter_context(server())
        authority = Authority(folder)
        certificate, private, _ = authority.issue("vault")
        vault = Vault()
        vault.rotate("fieldveil")
        front = stack.enter_context(Front(certificate, private, vault.answer))
        environment = {
            "VAULT_ADDR": f"https://127.0.0.1:{front.port}",
            "VAULT_CACERT": str(authority.file),
            "VAULT_NAMESPACE": vault.namespace,
        }
        os.environ.update(environment)
        operator = {"VAULT_TOKEN": vault.token("operator")}
        app_role = {"VAULT_SECRET_ID": vault.secret_id}
        os.environ["VAULT_ROLE_ID"] = ""
        keys = Keys(folder, uri, "")
        keys.watched = [vault.seen]

        def generate(place, status=0, **secrets):
            """`generate-master-key`, which knows no key vault."""
            done = keys._run(["generate-master-key", "--into", place], secrets)
            keys.search(done.stdout + done.stderr, secrets)
            assert done.returncode == status, done.stderr[-2000:]
            return done.stderr

        def run(*arguments, place, status=0, role="", **secrets):
            """With the local provider from Vault instead of a file."""
            os.environ["VAULT_ROLE_ID"] = role
            return keys(*arguments, "--local-key-from", place, status=status, **secrets)

        kv = "vault:kv:secret/fieldveil#master_key"
        generate(kv, **operator)
        check("a new master key is stored in Vault", "master_key" in vault._secrets["fieldveil"][0])
        shown = generate(kv, status=KMS_FAILED, **operator)
        check("and never overwritten", "never overwritten" in shown)
        sealed = folder / "master-key.vault"
        transit = f"vault:transit:transit/fieldveil#{sealed}"
        generate(transit, **operator)
        check("another is kept encrypted by Transit", sealed.read_text().startswith("vault:v1:"))
        shown = generate(transit, status=1, **operator)
        check("and its file is never overwritten", "exists" in shown)

        for place in (kv, transit):
            check(f"{place[:9]}.. wraps and unwraps", "unwraps it in" in run("test", place=place, **operator))
            shown = run("test", place=place, role=vault.role_id, **app_role)
            check("and so by AppRole", "unwraps it in" in shown)
            run("create", "--alt-name", place[:9], place=place, **operator)
        master = base64.b64decode(vault._secrets["fieldveil"][0]["master_key"])
        theirs = {"local": {"key": master}}
        with keys.pymongo(theirs) as peer:
            value = peer.encrypt("value", RANDOM, key_alt_name="vault:kv:")
            check("PyMongo with the same bytes uses such a key", peer.decrypt(value) == "value")
        vault.rotate("fieldveil")
        check("an old ciphertext outlives a rotation", "unwraps" in run("test", place=transit, **operator))

        table = f"""
            [providers."local:kv"]
            key.vault.kv = "secret/fieldveil#master_key"
            key.vault.token.env = "MY_TOKEN"
            [providers."local:transit"]
            key.vault.transit = "transit/fieldveil"
            key.vault.ciphertext_file = "{sealed}"
            key.vault.role_id = "{vault.role_id}"
            key.vault.secret_id.env = "MY_SECRET"
        """
        secrets = {"MY_TOKEN": operator["VAULT_TOKEN"], "MY_SECRET": vault.secret_id}
        for name in ("local:kv", "local:transit"):
            shown = keys("test", "--provider", name, config=table, **secrets)
            check(f"the configuration file names {name}", "unwraps it in" in shown)

        for what, fault, expected in [
            ("a reply that is cut off", truncate, "cut off"),
            ("a dropped connection", drop, "cannot be reached"),
            ("no JSON", refuse(200, b"<html>"), "lacks"),
            ("a standby node", refuse(307, b""), "standby"),
        ]:
            front.faults.append(fault)
            check(f"{what} is said to be so", expected in run("test", place=kv, status=KMS_FAILED, **operator))
        vault.sealed = True
        check("sealed is said to be so", "is sealed" in run("test", place=kv, status=KMS_FAILED, **operator))
        vault.sealed = False
        shown = run("test", place=kv, status=KMS_FAILED, VAULT_TOKEN="hvs.unknown-token")
        check("a token that is not known is refused", "permission denied" in shown)
        revoked = vault.token("operator")
        vault.revoke(revoked)
        shown = run("test", place=kv, status=KMS_FAILED, VAULT_TOKEN=revoked)
        check("a revoked token is refused", "permission denied" in shown)
        shown = run("test", place=kv, status=KMS_FAILED, role=vault.role_id, VAULT_SECRET_ID="wrong-secret-id")
        check("a wrong secret id is refused", "invalid role or secret ID" in shown)
        shown = run("test", place="vault:kv:secret/missing#k", status=KMS_FAILED, **operator)
        check("a missing secret is said to be so", "has nothing at secret/data/missing" in shown)
        vault.put("fieldveil", {"master_key": base64.b64encode(master[:95]).decode()})
        shown = run("test", place=kv, status=KMS_FAILED, **operator)
        check("a key of the wrong length is refused", "95 bytes" in shown)
        sealed.write_text(sealed.read_text().replace("vault:v1:", "vault:v2:"))
        shown = run("test", place=transit, status=KMS_FAILED, **operator)
        check("a ciphertext of another key is refused", "message authentication failed" in shown)
        other = str(Authority(folder, "other").file)
        os.environ["VAULT_CACERT"] = other
        shown = run("test", place=kv, status=KMS_FAILED, **operator)
        check("a server of another authority is not trusted", "certificate" in shown)
        os.environ["VAULT_ADDR"] = "http://vault.example.internal:8200"
        shown = run("test", place=kv, status=KMS_FAILED, **operator)
        check("plain http to another machine is refused", "in the clear" in shown)

        check(f"every request was as the API wants it {vault.violations or ''}", not vault.violations)
        check(f"none of {len(vault.seen)} secrets in the logs of {keys.runs} runs", len(vault.seen) > 5)


if __name__ == "__main__":
    main()
