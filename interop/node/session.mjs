// What an application does, by the official Node driver.
//
//     node session.mjs URI [OPTIONS AS JSON]

import assert from "node:assert/strict";
import { GridFSBucket, Long, MongoClient } from "mongodb";

const [uri, options] = process.argv.slice(2);
const client = new MongoClient(uri, JSON.parse(options ?? "{}"));

function done(claim) {
  console.log(`  ok: ${claim}`);
}

async function writeAndRead(db) {
  const people = db.collection("people");
  const many = Array.from({ length: 1000 }, (_, n) => ({ _id: n, n, even: n % 2 === 0, tags: [n, n + 1] }));
  assert.equal((await people.insertMany(many)).insertedCount, 1000);
  const found = await people.find({ even: true }).sort({ n: -1 }).batchSize(50).toArray();
  assert.deepEqual(found.map((it) => it.n).slice(0, 2), [998, 996]);
  assert.equal(found.length, 500);
  done("a cursor with batches, sorted");

  await people.updateOne({ _id: 1 }, { $set: { "tags.$[big]": 9 } }, { arrayFilters: [{ big: { $gt: 1 } }] });
  await people.updateMany({ n: { $lt: 3 } }, [{ $set: { double: { $multiply: ["$n", 2] } } }]);
  assert.deepEqual((await people.findOne({ _id: 1 })).tags, [1, 9]);
  assert.equal((await people.findOne({ _id: 2 }, { projection: { _id: 0, double: 1 } })).double, 4);
  const replaced = await people.findOneAndReplace({ _id: 3 }, { n: Long.fromString("9007199254740993") }, {
    returnDocument: "after", upsert: true,
  });
  assert.equal(String(replaced.n), "9007199254740993");
  done("array filters, pipeline updates, find and replace");

  const bulk = await people.bulkWrite([
    { insertOne: { document: { _id: "x" } } },
    { updateOne: { filter: { _id: "y" }, update: { $inc: { a: 1 } }, upsert: true } },
    { deleteMany: { filter: { n: { $gte: 990 } } } },
  ]);
  assert.deepEqual([bulk.insertedCount, bulk.upsertedCount, bulk.deletedCount], [1, 1, 11]);
  const both = await client.bulkWrite([
    { namespace: `${db.databaseName}.a`, name: "insertOne", document: { _id: 1 } },
    { namespace: `${db.databaseName}.b`, name: "insertOne", document: { _id: 1 } },
  ]);
  assert.equal(both.insertedCount, 2);
  await assert.rejects(people.insertOne({ _id: "x" }), { code: 11000 });
  done("bulk writes on one and on several collections; a duplicate key");

  const sums = await people.aggregate([
    { $match: { n: { $lt: 10 } } },
    { $group: { _id: "$even", sum: { $sum: "$n" } } },
    { $sort: { _id: 1 } },
  ]).toArray();
  assert.equal(sums.find((it) => it._id === true).sum, 20);
  assert.deepEqual((await people.distinct("even")).sort(), [false, true]);
  assert.equal(await people.countDocuments({ n: { $lt: 10 } }), 9);
  done("aggregate, distinct, count");
}

async function indexesAndCollections(db) {
  const people = db.collection("people");
  await people.createIndex({ n: 1 }, { name: "by_n" });
  const plan = await people.find({ n: { $lt: 5 } }).explain("executionStats");
  assert.match(JSON.stringify(plan.queryPlanner.winningPlan), /IXSCAN/);
  assert.ok(plan.executionStats.totalKeysExamined < 20);
  await assert.rejects(people.createIndex({ t: "text" }), /text/);
  done("an index that explain shows; text indexes are refused by name");

  await db.createCollection("strict", { validator: { $jsonSchema: { required: ["a"] } } });
  await assert.rejects(db.collection("strict").insertOne({ b: 1 }), { code: 121 });
  await db.createCollection("few", { viewOn: "people", pipeline: [{ $match: { n: { $lt: 3 } } }] });
  assert.equal(await db.collection("few").countDocuments(), 3);
  const names = (await db.listCollections().toArray()).map((it) => it.name);
  assert.ok(names.includes("few") && names.includes("strict"));
  done("validators and views");

  const log = await db.createCollection("log", { capped: true, size: 4096 });
  await log.insertOne({ line: 1 });
  const tail = log.find({}, { tailable: true, awaitData: true, maxAwaitTimeMS: 60_000 });
  assert.equal((await tail.next()).line, 1);
  const next = tail.next();
  await log.insertOne({ line: 2 });
  assert.equal((await next).line, 2);
  await tail.close();
  done("a tailable cursor that waits for a write");
}

async function filesAndSessions(db) {
  const bucket = new GridFSBucket(db, { chunkSizeBytes: 1000 });
  const content = Buffer.alloc(12_345, "fieldveil");
  const upload = bucket.openUploadStream("file");
  await new Promise((resolve, reject) => upload.on("error", reject).on("finish", resolve).end(content));
  const chunks = [];
  for await (const chunk of bucket.openDownloadStreamByName("file")) chunks.push(chunk);
  assert.deepEqual(Buffer.concat(chunks), content);
  done("a file in GridFS");

  await client.withSession(async (session) => {
    await db.collection("people").insertOne({ _id: "in a session" }, { session });
    assert.ok(await db.collection("people").findOne({ _id: "in a session" }, { session }));
  });
  await assert.rejects(
    client.withSession((session) => session.withTransaction(() => db.collection("p").insertOne({}, { session }))),
    (error) => (error.originalError ?? error).code === 20,
  );
  done("sessions; transactions are refused");

  await assert.rejects(db.command({ nothing: 1 }), { code: 59 });
  assert.equal((await db.admin().serverStatus()).ok, 1);
  assert.ok((await db.admin().listDatabases()).databases.some((it) => it.name === db.databaseName));
  await db.dropDatabase();
  done("administration");
}

try {
  const db = client.db("node");
  await writeAndRead(db);
  await indexesAndCollections(db);
  await filesAndSessions(db);
} finally {
  await client.close();
}
