"""Two implementations of libmongocrypt side by side: ours, and the one that pymongocrypt ships.

    python interop/differential.py --lib PATH [--values N] [--seed N]

Each runs in a process of its own, over pymongocrypt. For random values of every BSON type: what
is encrypted deterministically is equal byte for byte; what is encrypted at random is decrypted by
the other side; data keys made by one are used by the other. Then a list of wrong calls has to
give the same results with the same texts.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import uuid

import bson
from bson import Binary, Code, DBRef, Decimal128, Int64, ObjectId, Regex, Timestamp

import wrong_calls
from differential_worker import pack, unpack

DETERMINISTIC = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
# First bytes of Queryable Encryption values: malformed ones are refused in words of our own.
QUERYABLE = {4, 5, 6, 7, 8, 9, 11, 14, 15, 16, 17}


class Side:
    """One worker process."""

    def __init__(self, name, library):
        self.name = name
        environment = {k: v for k, v in os.environ.items() if k != "PYMONGOCRYPT_LIB"}
        if library:
            environment["PYMONGOCRYPT_LIB"] = str(library)
        worker = pathlib.Path(__file__).with_name("differential_worker.py")
        self.process = subprocess.Popen(
            [sys.executable, worker],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.process.stdout.readline()

    def ask(self, op, **arguments):
        """The reply: `{"ok": ..}` or `{"error": text}`."""
        self.process.stdin.write(json.dumps(pack({"op": op, **arguments})) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended on {op} {arguments}")
        reply = json.loads(line)
        if "crash" in reply:
            sys.exit(f"{self.name} on {op} {arguments}:\n{reply['crash']}")
        return {name: unpack(value) for name, value in reply.items()}

    def get(self, op, **arguments):
        reply = self.ask(op, **arguments)
        if "error" in reply:
            sys.exit(f"{self.name} on {op} {arguments}: {reply['error']}")
        return reply["ok"]


def random_value(rng, depth=0):
    """A value of any type that can be encrypted."""
    makers = [
        lambda: rng.choice([0.0, -0.0, 1.5, float("inf"), float("nan"), rng.random()]),
        lambda: "".join(chr(rng.choice([65, 0xE9, 0x20AC, 0x1F600])) for _ in range(rng.randrange(40))),
        lambda: Binary(rng.randbytes(rng.randrange(60)), rng.choice([0, 2, 4, 5, 128])),
        lambda: ObjectId(rng.randbytes(12)),
        lambda: rng.random() < 0.5,
        lambda: datetime.datetime.fromtimestamp(rng.randrange(-(10**9), 10**9), datetime.timezone.utc),
        lambda: Regex("a.*b", rng.choice(["", "im"])),
        lambda: Code("x = 1"),
        lambda: Code("x = y", {"y": 1}),
        lambda: rng.randrange(-(2**31), 2**31),
        lambda: Timestamp(rng.randrange(2**32), rng.randrange(2**32)),
        lambda: Int64(rng.randrange(-(2**63), 2**63)),
        lambda: Decimal128(rng.choice(["1.5", "-0", "1E+6144", "NaN"])),
        lambda: bson.Binary.from_uuid(uuid.UUID(bytes=rng.randbytes(16))),
        lambda: None,
    ]
    if depth < 3:
        makers += [
            lambda: {f"k{i}": random_value(rng, depth + 1) for i in range(rng.randrange(4))},
            lambda: [random_value(rng, depth + 1) for _ in range(rng.randrange(4))],
            lambda: DBRef("c", ObjectId(rng.randbytes(12))),
        ]
    return rng.choice(makers)()


differences = []


def compare(what, one, other):
    """Notes a difference; the run goes on, so that all of them are seen at once."""
    if one != other:
        differences.append(what)
        print(f"{what}\n  ours:    {one}\n  shipped: {other}")


def compare_values(ours, shipped, rng, count):
    """Encrypts and decrypts values on both sides; gives how many of each kind there were."""
    keys, ids = [], []
    for number, maker in enumerate([ours, shipped]):
        key = maker.get("key", material=rng.randbytes(96), names=[f"name {number}"])
        keys.append(key)
        ids.append(bytes(bson.decode(key)["_id"]))
    figures = {"deterministic": 0, "random": 0, "refused": 0}
    documents = []
    for _ in range(count):
        document = bson.encode({"v": random_value(rng)})
        which = rng.randrange(2)
        key = {"key_id": ids[which]} if rng.random() < 0.5 else {
            "key_alt_name": bson.encode({"keyAltName": f"name {which}"})
        }
        for algorithm in [DETERMINISTIC, RANDOM]:
            arguments = {"document": document, "keys": keys, "algorithm": algorithm, **key}
            one, other = ours.ask("encrypt", **arguments), shipped.ask("encrypt", **arguments)
            if "error" in one or "error" in other:
                compare(f"encrypt {document}", one, other)
                figures["refused"] += 1
                continue
            if algorithm == DETERMINISTIC:
                compare(f"encrypt {document}", one["ok"].hex(), other["ok"].hex())
                figures["deterministic"] += 1
            for made, reader in [(one, shipped), (other, ours)]:
                plain = reader.get("decrypt_value", document=made["ok"], keys=keys)
                compare(f"decrypt {made['ok']}", plain.hex(), document.hex())
                documents.append(made["ok"])
            figures["random"] += algorithm == RANDOM
    compare_documents(ours, shipped, keys, documents, rng)
    compare_damage(ours, shipped, keys, documents, rng)
    compare_rewrap(ours, shipped, keys)
    return figures


def compare_documents(ours, shipped, keys, documents, rng):
    """Documents with many encrypted values, at several depths."""
    for _ in range(20):
        values = [bson.decode(rng.choice(documents))["v"] for _ in range(rng.randrange(1, 30))]
        document = {"plain": 1, "list": values[1:], "deep": {"er": {"v": values[0]}}}
        raw = bson.encode(document)
        one = ours.get("decrypt", document=raw, keys=keys)
        compare("decrypt a document", one.hex(), shipped.get("decrypt", document=raw, keys=keys).hex())


def compare_damage(ours, shipped, keys, documents, rng):
    """A ciphertext that was changed gives the same error, or the same nothing."""
    for number in range(456):
        value = bytearray(bson.decode(rng.choice(documents))["v"])
        if number < 256:
            value[0] = number
        elif rng.random() < 0.3:
            del value[rng.randrange(len(value)) :]
        else:
            value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
        raw = bson.encode({"v": Binary(bytes(value), 6)})
        arguments = {"document": raw, "keys": keys}
        one, other = ours.ask("decrypt_value", **arguments), shipped.ask("decrypt_value", **arguments)
        if value[:1] and value[0] in QUERYABLE and "error" in one and "error" in other:
            continue
        compare(f"decrypt {value.hex()}", one, other)


def compare_rewrap(ours, shipped, keys):
    """Keys that one side wrapped anew are used by the other."""
    for maker, reader in [(ours, shipped), (shipped, ours)]:
        for entry in bson.decode(maker.get("rewrap", keys=keys))["v"]:
            old = next(key for key in map(bson.decode, keys) if key["_id"] == entry["_id"])
            new = bson.encode(old | entry)
            arguments = {"document": bson.encode({"v": 1}), "algorithm": DETERMINISTIC}
            key_id = bytes(entry["_id"])
            one = reader.get("encrypt", keys=[new], key_id=key_id, **arguments)
            compare("use a rewrapped key", one, maker.get("encrypt", keys=keys, key_id=key_id, **arguments))


def compare_wrong_calls(ours, shipped):
    count = 0
    for name, op, arguments in wrong_calls.all_of_them():
        one, other = ours.ask(op, **arguments), shipped.ask(op, **arguments)
        compare(name, one, other)
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lib", type=pathlib.Path, required=True, help="our shared library")
    parser.add_argument("--values", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    ours = Side("ours", arguments.lib.resolve(strict=True))
    shipped = Side("shipped", None)
    figures = compare_values(ours, shipped, rng, arguments.values)
    wrong = compare_wrong_calls(ours, shipped)
    print(
        f"equal: {figures['deterministic']} deterministic ciphertexts; cross-decrypted: "
        f"{figures['random']} random ones each way; refused alike: {figures['refused']} values and "
        f"{wrong} wrong calls"
    )
    if differences:
        sys.exit(f"{len(differences)} differences")


if __name__ == "__main__":
    main()
