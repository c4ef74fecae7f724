// Client-side field level encryption by the official Node driver and its own binding, which is
// built over our libmongocrypt.
//
//     node encryption.mjs URI [CRYPT SHARED LIBRARY]

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Binary, ClientEncryption, MongoClient } from "mongodb";

const [uri, library] = process.argv.slice(2);
const kmsProviders = { local: { key: randomBytes(96) } };
const keyVaultNamespace = "encryption.__keyVault";
const plain = new MongoClient(uri);
const algorithm = "AEAD_AES_256_CBC_HMAC_SHA_512-";

try {
  const keys = new ClientEncryption(plain, { keyVaultNamespace, kmsProviders });
  const keyId = await keys.createDataKey("local", { keyAltNames: ["node"] });
  const encrypt = (kind) => ({ encrypt: { bsonType: "string", algorithm: algorithm + kind, keyId: [keyId] } });
  const schema = { bsonType: "object", properties: { ssn: encrypt("Deterministic"), note: encrypt("Random") } };
  const extraOptions = library ? { cryptSharedLibPath: library, cryptSharedLibRequired: true } : {};
  const encrypted = new MongoClient(uri, {
    autoEncryption: { keyVaultNamespace, kmsProviders, schemaMap: { "node.people": schema }, extraOptions },
  });
  try {
    const people = encrypted.db("node").collection("people");
    await people.insertOne({ name: "Sophia Duleep Singh", ssn: "123-12-1234", note: "secret" });
    const stored = await plain.db("node").collection("people").findOne({});
    assert.ok(stored.ssn instanceof Binary && stored.ssn.sub_type === 6);
    assert.ok(stored.note instanceof Binary && stored.note.sub_type === 6);
    const found = await people.findOne({ ssn: "123-12-1234" });
    assert.equal(found.note, "secret");
    await assert.rejects(people.findOne({ note: "secret" }), /randomized encryption algorithm/);
    const value = await keys.encrypt("hidden", { keyAltName: "node", algorithm: `${algorithm}Random` });
    assert.equal(await keys.decrypt(value), "hidden");
    console.log(`  ok: encrypted and read back, analysis by ${library ?? "libmongocrypt itself"}`);
    await encrypted.db("node").dropDatabase();
  } finally {
    await encrypted.close();
  }
} finally {
  await plain.db("encryption").dropDatabase();
  await plain.close();
}
