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

// What its helpers ask for, and a little of each answer.
const isReplicaSet = db.hello().setName !== undefined;
const plan = db.people.explain("executionStats").find({ name: "Dora" }).finish();
assert.equal(plan.executionStats.nReturned, 1);
const answers = {
  "db.stats": [Number(db.stats(1024).collections), 1],
  "db.hostInfo": [db.hostInfo().ok, 1],
  "db.currentOp": [db.currentOp().ok, 1],
  "db.serverBuildInfo": [db.serverBuildInfo().version, "8.0.0"],
  "db.serverCmdLineOpts": [db.serverCmdLineOpts().ok, 1],
  "db.listCommands": [Object.keys(db.listCommands()).length > 0, true],
  help: [/find/.test(db.runCommand({ find: 1, help: true }).help), true],
  "db.getLogComponents": [db.getLogComponents().verbosity, 0],
  "db.setLogLevel": [db.setLogLevel(1).ok, 1],
  "db.getCollectionInfos": [db.getCollectionInfos().length, 1],
  "db.getRoles": [db.getRoles({ showBuiltinRoles: true }).roles.length > 3, true],
  "db.getUsers": [db.getUsers().users.length, 0],
  connectionStatus: [db.adminCommand({ connectionStatus: 1 }).ok, 1],
  listCommands: [db.adminCommand({ listCommands: 1 }).commands.top.adminOnly, true],
  rolesInfo: [db.adminCommand({ rolesInfo: 1 }).ok, 1],
  usersInfo: [db.adminCommand({ usersInfo: 1 }).ok, 1],
  top: [db.adminCommand({ top: 1 }).totals["shell.people"].queries.count > 0, true],
  connPoolStats: [db.adminCommand({ connPoolStats: 1 }).totalCreated, 0],
  totalSize: [db.people.totalSize() > 0, true],
  totalIndexSize: [db.people.totalIndexSize() > 0, true],
  storageSize: [db.people.storageSize() > 0, true],
  dataSize: [db.people.dataSize(), db.runCommand({ dataSize: "shell.people" }).size],
  validate: [db.people.validate({ full: true }).valid, true],
  isCapped: [db.people.isCapped(), false],
  latencyStats: [db.people.latencyStats({ histograms: true })[0].latencyStats.reads.ops > 0, true],
  "$indexStats": [db.people.aggregate([{ $indexStats: {} }]).toArray().length, 2],
  "getPlanCache().list": [db.people.getPlanCache().list().length, 0],
  "getPlanCache().clear": [db.people.getPlanCache().clear().ok, 1],
  hideIndex: [db.people.hideIndex("name_1").ok, 1],
  unhideIndex: [db.people.unhideIndex("name_1").ok, 1],
  "explain().aggregate": [db.people.explain().aggregate([{ $group: { _id: "$name" } }]).ok, 1],
  "explain().count": [db.people.explain().count({ name: "Dora" }).ok, 1],
  "explain().distinct": [db.people.explain().distinct("name").ok, 1],
  "explain().findOneAndUpdate": [db.people.explain().findOneAndUpdate({}, { $set: { a: 1 } }).ok, 1],
};
for (const [name, [found, wanted]] of Object.entries(answers)) {
  assert.deepEqual(found, wanted, name);
}
for (const name of ["dbs", "collections", "users", "roles", "profile", "logs"]) show(name);
assert.equal(db.getProfilingStatus().was, 0);
db.setProfilingLevel(2);
db.people.find({ name: "Dora" }).comment("written down").toArray();
assert.equal(db.system.profile.countDocuments({ "command.comment": "written down" }), 1);
assert.equal(db.setProfilingLevel(0).was, 2);
db.system.profile.drop();
db.few.insertMany([{ _id: 1 }, { _id: 2 }]);
assert.equal(db.few.convertToCapped(4096).ok, 1);
assert.ok(db.few.isCapped());
const refused = (name, code, action) => {
  try {
    action();
  } catch (error) {
    assert.equal(error.code, code, name);
    return;
  }
  assert.fail(`${name} is not refused`);
};
if (isReplicaSet) {
  assert.equal(rs.status().myState, 1);
  assert.equal(rs.conf().members.length, 1);
  assert.equal(db.adminCommand({ getDefaultRWConcern: 1 }).defaultReadConcern.level, "local");
  refused("rs.initiate", 23, () => rs.initiate());
  refused("rs.stepDown", 262, () => rs.stepDown(1));
  refused("rs.freeze", 95, () => rs.freeze(1));
  refused("reIndex", 20, () => db.people.reIndex());
} else {
  refused("rs.initiate", 76, () => rs.initiate());
  assert.equal(db.people.reIndex().nIndexes, 2);
}
refused("fsyncUnlock", 20, () => db.fsyncUnlock());
refused("a hashed index of arrays", 16766, () => db.people.createIndex({ tags: "hashed" }));
assert.equal(db.people.createIndex({ name: "hashed" }), "name_hashed");
assert.equal(db.people.deleteMany({}).deletedCount, 2);
db.dropDatabase();
print("  ok: a session in mongosh");
