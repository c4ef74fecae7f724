// What someone types into mongosh; an error ends it with a status that is not 0.

const assert = require("node:assert/strict");
db = db.getSiblingDB("shell");
db.people.insertMany([{ _id: 1, name: "Sophia" }, { _id: 2, name: "Dora", at: ISODate("1910-11-18") }]);
assert.equal(db.people.find({ name: /^S/ }).toArray().length, 1);
assert.equal(db.people.findOne({ _id: 2 }).at.getUTCFullYear(), 1910);
db.people.updateOne({ _id: 1 }, { $push: { tags: { $each: ["a", "b"], $slice: -1 } } });
assert.equal(EJSON.stringify(db.people.findOne({ _id: 1 }).tags), '["b"]');
db.people.createIndex({ name: 1 });
assert.match(EJSON.stringify(db.people.find({ name: "Dora" }).explain()), /IXSCAN/);
assert.equal(db.people.aggregate([{ $count: "n" }]).toArray()[0].n, 2);
assert.equal(EJSON.stringify(db.getCollectionNames()), '["people"]');
assert.ok(db.getMongo().getDBNames().includes("shell"));
assert.equal(db.people.stats().count, 2);
assert.equal(db.people.getIndexes().length, 2);
assert.ok(db.serverStatus().connections.current > 0);
assert.equal(db.version(), "8.0.0");
assert.ok(db.hello().isWritablePrimary);
let refusal;
try {
  db.people.insertOne({ _id: 1 });
} catch (error) {
  refusal = error.message;
}
assert.match(refusal, /E11000/);
assert.equal(db.people.deleteMany({}).deletedCount, 2);
db.dropDatabase();
print("  ok: a session in mongosh");
