"""The cases of `same_answers.py`: what is done, and the text of the refusal where there has to be one."""

from bson.int64 import Int64
from pymongo import ASCENDING, DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.collation import Collation

# The other name of the data key, which the documents with a `memo` hold.
KEY_NAME = "the key"


def encrypted(algorithm, kind=None, **more):
    algorithm = f"AEAD_AES_256_CBC_HMAC_SHA_512-{algorithm}"
    return {"algorithm": algorithm, **({"bsonType": kind} if kind else {}), **more}


SCHEMAS = {
    "people": {
        "ssn": encrypted("Deterministic", "string"),
        "other": encrypted("Deterministic", "string"),
        "age": encrypted("Deterministic", "int"),
        "note": encrypted("Random"),
        "address.street": encrypted("Deterministic", "string"),
        "memo": encrypted("Random", "string", keyId="/key"),
        "^p_": encrypted("Deterministic", "long"),
    },
    "orders": {
        "customer": encrypted("Deterministic", "string"),
        "card": encrypted("Random", "string"),
    },
    "plain": {},
}
DOCUMENTS = {
    "people": [
        {
            "_id": 1,
            "name": "Ada",
            "n": 1,
            "ssn": "SECRET 1",
            "other": "SECRET 9",
            "age": 36,
            "note": {"deep": ["SECRET note"]},
            "key": KEY_NAME,
            "memo": "SECRET memo",
            "address": {"street": "SECRET street", "zip": "10"},
            "tags": ["a", "b"],
            "items": [{"k": 1, "v": 1}, {"k": 2, "v": 2}],
        },
        {
            "_id": 2,
            "name": "Bob",
            "n": 2,
            "ssn": "SECRET 2",
            "age": 36,
            "p_1": Int64(5),
            "address": {"street": "SECRET lane", "zip": "20"},
            "tags": [],
            "items": [{"k": 2, "v": 5}],
        },
        {"_id": 3, "name": "Cy", "n": 3, "boss": 1, "tags": ["b"]},
    ],
    "orders": [
        {"_id": 10, "person": 1, "customer": "SECRET 1", "total": 5, "card": "SECRET card"},
        {"_id": 11, "person": 2, "customer": "SECRET 2", "total": 7},
        {"_id": 12, "person": 1, "customer": "SECRET 1", "total": 9},
    ],
    "plain": [{"_id": 1, "person": 1, "city": "Ur"}, {"_id": 2, "person": 3, "city": "Uruk"}],
}
NOTHING = "Cannot encrypt element of type"
OPERATOR = "Invalid match expression operator on encrypted field"
RANDOMIZED = "Cannot query on fields encrypted with the randomized encryption algorithm"
PIPELINE = "Expressions in update queries are not allowed"
REFERENCE = "Invalid reference to an encrypted field within aggregate expression"

CASES = []


def case(name, run, refusal=None):
    CASES.append((name, run, refusal))


def finds(name, filter, refusal=None, **options):
    case(f"find: {name}", lambda db: list(db.people.find(filter, **options).sort("_id")), refusal)


def updates(name, filter, update, refusal=None, **options):
    def run(db):
        done = db.people.update_many(filter, update, **options)
        return [done.matched_count, done.modified_count, str(done.upserted_id)]

    case(f"update: {name}", run, refusal)


def modifies(name, filter, refusal=None, **options):
    def run(db):
        return db.command("findAndModify", "people", query=filter, **options)

    case(f"findAndModify: {name}", run, refusal)


def aggregates(name, pipeline, refusal=None, collection="people", **options):
    def run(db):
        return list(db[collection].aggregate(pipeline, **options))

    case(f"aggregate: {name}", run, refusal)


# The match language.
finds("implicit equality", {"ssn": "SECRET 1"})
finds("equality with an integer", {"age": 36, "name": "Bob"})
finds("not equal", {"ssn": {"$ne": "SECRET 1"}})
finds("in", {"ssn": {"$in": ["SECRET 1", "SECRET 3"]}})
finds("in nothing", {"ssn": {"$in": []}})
finds("not in", {"ssn": {"$nin": ["SECRET 1"]}})
finds("not", {"ssn": {"$not": {"$eq": "SECRET 1"}}})
finds("exists", {"ssn": {"$exists": True}, "other": {"$exists": False}})
finds("random exists", {"note": {"$exists": True}})
finds("or of and", {"$or": [{"$and": [{"ssn": "SECRET 1"}, {"n": 1}]}, {"n": {"$gt": 2}}]})
finds("nor", {"$nor": [{"ssn": "SECRET 1"}, {"n": 3}]})
finds("nested path", {"address.street": "SECRET lane"})
finds("a pattern", {"p_1": Int64(5)})
finds("a pattern in a list", {"p_1": {"$in": [Int64(5), Int64(6)]}})
finds("a key of the document", {"memo": "SECRET memo"}, RANDOMIZED)
finds("a plain neighbour", {"address.zip": {"$gte": "15"}})
finds("an object's existence", {"address": {"$exists": True}})
finds("elements of plain arrays", {"items": {"$elemMatch": {"k": 2, "v": {"$gt": 2}}}})
finds("positions of plain arrays", {"items.0.k": 2, "tags": {"$size": 0}})
finds("expression with a constant", {"$expr": {"$eq": ["$ssn", "SECRET 1"]}})
finds("expression, constant first", {"$expr": {"$ne": ["SECRET 1", "$ssn"]}})
finds("expression with in", {"$expr": {"$in": ["$ssn", ["SECRET 1", "SECRET 2"]]}})
finds("expression on plain fields", {"$expr": {"$gt": ["$n", 1]}, "ssn": "SECRET 2"})
finds("a variable", {"$expr": {"$eq": ["$n", "$$n"]}, "ssn": "SECRET 2"}, let={"n": 2})
finds("comment", {"ssn": "SECRET 1", "$comment": "who"}, comment="why")
finds("a range", {"ssn": {"$gt": "SECRET 1"}}, OPERATOR)
finds("a regular expression", {"ssn": {"$regex": "^SECRET"}}, OPERATOR)
finds("random", {"note": "SECRET"}, RANDOMIZED)
finds("null", {"ssn": None}, "Illegal equality to null predicate for encrypted field")
finds("null in a list", {"ssn": {"$in": [None]}}, "Illegal equality to null inside $in")
finds("another type", {"age": "SECRET 36"}, NOTHING)
finds("a path below", {"ssn.x": 1}, "which contains an encrypted path prefix")
finds("a whole object", {"address": {"street": "SECRET lane", "zip": "20"}}, "encrypt")
finds("a random field below", {"note.deep": 1}, "which contains an encrypted path prefix")
finds("a variable beside", {"$expr": {"$eq": ["$ssn", "$$s"]}}, "encrypt", let={"s": 1})
finds("where", {"$where": "true"}, "Unsupported match expression operator for encryption")

# Options of a find.
finds("projection", {"ssn": "SECRET 1"}, projection={"ssn": 1, "address.street": 1})
finds("projection that excludes", {}, projection={"ssn": 0, "address.street": 0, "items": 0})
finds("projection of an array", {"n": 1}, projection={"tags": {"$slice": 1}, "ssn": 1})
finds("projection that computes", {"n": 1}, projection={"same": {"$eq": ["$ssn", "SECRET 1"]}})
finds("projection that moves", {"n": 1}, projection={"moved": "$ssn"})
finds("collation without strings", {"n": 1}, collation=Collation("en"))
finds("simple collation", {"ssn": "SECRET 1"}, collation=Collation("simple"))
finds("collation", {"ssn": "SECRET 1"}, "collation", collation=Collation("en", strength=1))
finds("skip and limit", {"ssn": {"$exists": True}}, skip=1, limit=1, batch_size=1)
finds("hint", {"ssn": "SECRET 2"}, hint=[("_id", ASCENDING)])
case("find: sort by a plain field", lambda db: list(db.people.find({"age": 36}).sort("name", -1)))
case("find: sort by an encrypted field", lambda db: list(db.people.find().sort("ssn")), "encrypt")
case(
    "find: an index",
    lambda db: [db.people.create_index("ssn"), list(db.people.find({"ssn": "SECRET 2"}, hint="ssn_1"))],
)
case("find: min", lambda db: list(db.people.find().hint("_id_").min([("ssn", "SECRET")])), "encrypt")

# Updates.
updates("set", {"ssn": "SECRET 1"}, {"$set": {"ssn": "SECRET 3", "age": 1, "n": 7}})
updates("set random", {"n": 2}, {"$set": {"note": {"x": "SECRET"}}})
updates("set nested", {"n": 2}, {"$set": {"address.street": "SECRET x", "address.zip": "1"}})
updates("set a whole object", {"n": 2}, {"$set": {"address": {"street": "SECRET y", "zip": "2"}}})
updates("set of a pattern", {}, {"$set": {"p_2": Int64(1)}})
updates(
    "set with a key of the document", {}, {"$set": {"memo": "SECRET"}}, "(JSONPointer) keyId is not supported"
)
updates("unset", {}, {"$unset": {"ssn": "", "note": "", "address.street": ""}})
updates("rename to an equal", {"n": 2}, {"$rename": {"ssn": "other"}})
updates("rename plain", {}, {"$rename": {"name": "first"}})
updates("arithmetic on plain fields", {"ssn": "SECRET 1"}, {"$inc": {"n": 2}, "$max": {"m": 3}})
updates("multiply", {"age": 36}, {"$mul": {"n": 3}, "$min": {"low": 1}})
updates("push", {"ssn": "SECRET 1"}, {"$push": {"tags": {"$each": ["z", "c"], "$sort": 1}}})
updates("add to a set", {"ssn": "SECRET 1"}, {"$addToSet": {"tags": "a"}})
updates("pull", {"ssn": "SECRET 1"}, {"$pull": {"items": {"k": 2}}})
updates("pull all, pop", {"ssn": "SECRET 1"}, {"$pullAll": {"tags": ["a"]}, "$pop": {"items": 1}})
updates("bits", {"ssn": "SECRET 1"}, {"$bit": {"n": {"or": 6}}})
updates("position", {"items.k": 2}, {"$set": {"items.$.v": 0}})
updates("all positions", {"ssn": "SECRET 1"}, {"$inc": {"items.$[].v": 10}})
updates("array filters", {"n": {"$lt": 3}}, {"$set": {"items.$[i].v": 8}}, array_filters=[{"i.k": 2}])
updates("upsert by an encrypted field", {"ssn": "SECRET 7"}, {"$set": {"n": 9, "_id": 7}}, upsert=True)
updates("upsert with set", {"_id": 8}, {"$set": {"ssn": "SECRET 8"}}, upsert=True)
updates("upsert that matches", {"ssn": "SECRET 1"}, {"$set": {"n": 9}}, upsert=True)
updates("set on insert of plain", {"_id": 8}, {"$setOnInsert": {"n": 8}, "$set": {"age": 3}}, upsert=True)
updates("a hint, a comment", {"ssn": "SECRET 1"}, {"$set": {"n": 4}}, hint="_id_", comment="why")
updates("a variable", {"$expr": {"$eq": ["$n", "$$n"]}}, {"$set": {"ssn": "SECRET"}}, let={"n": 2})
updates("pipeline on plain fields", {}, [{"$set": {"n": {"$add": ["$n", 1]}}}], PIPELINE)
updates("pipeline that removes", {}, [{"$unset": "tags"}], PIPELINE)
updates("set to an array", {}, {"$set": {"ssn": ["SECRET"]}}, NOTHING)
updates("set below", {}, {"$set": {"ssn.x": 1}}, "encrypt")
updates("increment", {}, {"$inc": {"age": 1}}, "$inc and $mul not allowed on encrypted values")
updates("smallest", {}, {"$min": {"age": 1}}, "$max and $min not allowed on encrypted values")
updates("date", {}, {"$currentDate": {"ssn": True}}, "$currentDate not allowed on encrypted values")
updates("push to it", {}, {"$push": {"ssn": "SECRET"}}, "$push not allowed on encrypted values")
updates("pull from it", {}, {"$pull": {"ssn": "SECRET"}}, "$pull not allowed on encrypted values")
updates("rename to random", {}, {"$rename": {"ssn": "note"}}, "must have the same metadata")
updates("rename to plain", {}, {"$rename": {"ssn": "open"}}, "must have the same metadata")
updates("rename to encrypted", {}, {"$rename": {"name": "ssn"}}, "must have the same metadata")
updates("set on insert", {"_id": 8}, {"$setOnInsert": {"ssn": "SECRET"}}, "encrypt", upsert=True)
updates(
    "position of it", {"ssn": "SECRET 1"}, {"$set": {"ssn.$": "SECRET"}}, "'$' positional update operator"
)
updates("pipeline that copies", {}, [{"$set": {"open": "$ssn"}}], PIPELINE)
updates("pipeline that sets", {}, [{"$set": {"ssn": "SECRET x"}}], PIPELINE)
updates("collation", {"ssn": "SECRET 1"}, {"$set": {"n": 1}}, "collation", collation=Collation("en"))
case(
    "update: replacement",
    lambda db: db.people.replace_one(
        {"ssn": "SECRET 1"}, {"ssn": "SECRET 4", "note": "SECRET"}
    ).modified_count,
)
case(
    "update: replacement that is inserted",
    lambda db: db.people.replace_one({"_id": 9}, {"ssn": "SECRET 4"}, upsert=True).upserted_id,
)
case("delete: by an encrypted field", lambda db: db.people.delete_many({"age": 36}).deleted_count)
case("delete: random", lambda db: db.people.delete_many({"note": 1}).deleted_count, RANDOMIZED)
case(
    "bulk write: all kinds",
    lambda db: db.people.bulk_write(
        [
            InsertOne({"_id": 20, "ssn": "SECRET 20", "address": {"street": "SECRET"}}),
            UpdateOne({"ssn": "SECRET 20"}, {"$set": {"age": 20}}),
            UpdateMany({"age": 36}, {"$set": {"note": "SECRET"}}),
            ReplaceOne({"ssn": "SECRET 2"}, {"other": "SECRET 2"}),
            DeleteOne({"ssn": "SECRET 1"}),
        ]
    ).bulk_api_result,
)
case(
    "insert: an array on the way",
    lambda db: db.people.insert_one({"_id": 30, "address": [{"street": "SECRET"}]}).inserted_id,
    "encrypt",
)
case(
    "insert: a key of the document",
    lambda db: db.people.insert_many(
        [{"_id": 30, "key": KEY_NAME, "memo": "SECRET"}, {"_id": 31, "p_": Int64(1)}]
    ).inserted_ids,
)
case(
    "insert: without a key", lambda db: db.people.insert_one({"_id": 30, "memo": "SECRET"}).inserted_id, "key"
)
case(
    "insert: many, one of them wrong",
    lambda db: db.people.insert_many([{"_id": 30}, {"ssn": 1}]).inserted_ids,
    NOTHING,
)
case(
    "insert: another type", lambda db: db.people.insert_one({"_id": 30, "age": "SECRET"}).inserted_id, NOTHING
)
case("insert: null", lambda db: db.people.insert_one({"_id": 30, "ssn": None}).inserted_id, "encrypt")

# findAndModify.
modifies("update", {"ssn": "SECRET 1"}, update={"$set": {"ssn": "SECRET 5"}}, new=True)
modifies("replacement, fields", {"ssn": "SECRET 1"}, update={"ssn": "SECRET 5"}, fields={"ssn": 1})
modifies("remove, sort", {"age": 36}, remove=True, sort={"n": -1})
modifies("upsert", {"ssn": "SECRET 6"}, update={"$set": {"_id": 6, "age": 1}}, upsert=True, new=True)
modifies(
    "array filters", {"ssn": "SECRET 1"}, update={"$set": {"items.$[i].v": 3}}, arrayFilters=[{"i.k": 1}]
)
modifies("pipeline", {}, PIPELINE, update=[{"$set": {"n": 5}}], new=True)
modifies("a variable", {"$expr": {"$eq": ["$n", "$$n"]}}, update={"$set": {"age": 5}}, let={"n": 1})
modifies("increment", {"n": 1}, "$inc and $mul not allowed", update={"$inc": {"age": 1}})
modifies("sort by it", {}, "encrypt", update={"$set": {"n": 1}}, sort={"ssn": 1})
case(
    "findAndModify: as drivers call it",
    lambda db: db.people.find_one_and_update(
        {"ssn": "SECRET 1"},
        {"$set": {"address.street": "SECRET"}},
        projection={"address": 1},
        return_document=ReturnDocument.AFTER,
    ),
)

# Counting and telling apart.
case("count", lambda db: db.command("count", "people", query={"ssn": "SECRET 1"}))
case("count: documents", lambda db: db.people.count_documents({"age": 36}))
case("count: estimated", lambda db: db.people.estimated_document_count())
case("distinct", lambda db: sorted(db.people.distinct("ssn", {"n": {"$lt": 3}})))
case("distinct: by an encrypted filter", lambda db: db.people.distinct("name", {"ssn": "SECRET 1"}))
case("distinct: random", lambda db: db.people.distinct("note"), "encrypt")
case("distinct: a key of the document", lambda db: db.people.distinct("memo"), "encrypt")
case("distinct: an object", lambda db: db.people.distinct("address"), "encrypt")

# Pipelines.
MATCH = {"$match": {"ssn": {"$in": ["SECRET 1", "SECRET 2"]}}}
SORT = {"$sort": {"_id": 1}}
aggregates("match and project", [MATCH, SORT, {"$project": {"ssn": 1, "n": 1}}])
aggregates("match after a rename", [{"$project": {"moved": "$ssn"}}, {"$match": {"moved": "SECRET 2"}}])
aggregates(
    "added field", [{"$addFields": {"same": {"$eq": ["$ssn", "SECRET 1"]}}}, SORT, {"$project": {"same": 1}}]
)
aggregates(
    "condition", [SORT, {"$project": {"x": {"$cond": [{"$in": ["$ssn", ["SECRET 1"]]}, "yes", "no"]}}}]
)
aggregates(
    "switch",
    [
        SORT,
        {
            "$project": {
                "x": {"$switch": {"branches": [{"case": {"$eq": ["$age", 36]}, "then": 1}], "default": 0}}
            }
        },
    ],
)
aggregates("group by it", [{"$group": {"_id": "$age", "n": {"$sum": "$n"}}}, {"$sort": {"n": 1}}])
aggregates("group, then match", [{"$group": {"_id": "$age", "n": {"$sum": 1}}}, {"$match": {"_id": 36}}])
aggregates(
    "collect", [MATCH, SORT, {"$group": {"_id": None, "all": {"$push": "$ssn"}, "notes": {"$push": "$note"}}}]
)
aggregates(
    "group of constants",
    [{"$group": {"_id": None, "n": {"$sum": 1}, "x": {"$first": "x"}, "c": {"$count": {}}}}],
)
aggregates("count by it", [{"$match": {"n": {"$lt": 3}}}, {"$sortByCount": "$age"}])
aggregates(
    "unwind",
    [MATCH, {"$unwind": "$items"}, {"$sort": {"_id": 1, "items.k": 1}}, {"$project": {"items": 1, "ssn": 1}}],
)
aggregates("unset", [SORT, {"$unset": ["note", "address.street"]}])
aggregates(
    "replace the root",
    [MATCH, SORT, {"$replaceRoot": {"newRoot": "$address"}}, {"$match": {"street": "SECRET lane"}}],
)
aggregates("skip, limit, count", [MATCH, {"$skip": 1}, {"$limit": 5}, {"$count": "n"}])
aggregates(
    "buckets of plain",
    [{"$bucket": {"groupBy": "$n", "boundaries": [0, 2, 9], "output": {"n": {"$sum": 1}}}}],
)
aggregates("redact", [SORT, {"$redact": {"$cond": [{"$gt": ["$n", 1]}, "$$PRUNE", "$$KEEP"]}}])
aggregates("variable", [MATCH, {"$match": {"$expr": {"$eq": ["$n", "$$n"]}}}], let={"n": 2})
aggregates(
    "hint, comment, collation", [{"$match": {"n": 2}}], hint="_id_", comment="why", collation=Collation("en")
)
aggregates("batches", [SORT], batchSize=1)
aggregates("match random", [{"$match": {"note": "SECRET"}}], RANDOMIZED)
aggregates("collation", [MATCH], "collation", collation=Collation("en"))
aggregates("sum of it", [{"$group": {"_id": 1, "n": {"$sum": "$age"}}}], "cannot aggregate encrypted fields")
aggregates("group by random", [{"$group": {"_id": "$note"}}], "Cannot group on field '_id'")
aggregates("compute with it", [{"$project": {"x": {"$add": ["$age", 1]}}}], REFERENCE)
aggregates("compare with a field", [{"$match": {"$expr": {"$eq": ["$ssn", "$name"]}}}], "encrypt")
aggregates("a bound variable", [{"$project": {"x": {"$let": {"vars": {"v": "$ssn"}, "in": 1}}}}], "encrypt")
aggregates("buckets of it", [{"$bucketAuto": {"groupBy": "$age", "buckets": 2}}], "encrypt")
aggregates("facet", [{"$facet": {"a": [MATCH]}}], "not allowed or supported with automatic encryption")
aggregates("out", [MATCH, {"$out": "elsewhere"}], "not allowed or supported with automatic encryption")
aggregates(
    "union",
    [{"$unionWith": {"coll": "orders", "pipeline": []}}],
    "$unionWith is not allowed or supported with automatic encryption",
)


def lookup(source, *stages, **options):
    return {"$lookup": {"from": source, "as": "found", "pipeline": [*stages, SORT], **options}}


JOINED = {"$project": {"found": 1, "name": 1}}
aggregates(
    "join with one that encrypts",
    [MATCH, SORT, lookup("orders", {"$match": {"customer": "SECRET 1"}}), JOINED],
)
aggregates("join by plain fields", [SORT, lookup("orders", localField="_id", foreignField="person"), JOINED])
aggregates("join with a plain one", [MATCH, SORT, lookup("plain", {"$match": {"city": "Ur"}}), JOINED])
aggregates(
    "join from a plain one", [SORT, lookup("people", {"$match": {"ssn": "SECRET 2"}})], collection="plain"
)
aggregates("join of plain ones", [SORT, lookup("plain", {"$match": {"city": "Ur"}})], collection="plain")
aggregates("join with itself", [MATCH, SORT, lookup("people", {"$match": {"ssn": "SECRET 2"}}), JOINED])
aggregates(
    "joins inside joins",
    [
        SORT,
        lookup(
            "orders",
            {"$match": {"customer": "SECRET 1"}},
            lookup("people", {"$match": {"age": 36}}, {"$project": {"ssn": 1}}),
        ),
        JOINED,
    ],
)
aggregates(
    "join, then unwind",
    [SORT, lookup("plain", localField="_id", foreignField="person"), {"$unwind": "$found"}, JOINED],
)
aggregates(
    "follow references in itself",
    [
        {"$match": {"ssn": {"$exists": False}}},
        {
            "$graphLookup": {
                "from": "people",
                "startWith": "$boss",
                "connectFromField": "boss",
                "connectToField": "_id",
                "as": "bosses",
                "restrictSearchWithMatch": {"ssn": "SECRET 1"},
            }
        },
    ],
)
aggregates("join by variables", [lookup("orders", let={"p": "$_id"})], "Non-empty 'let' field is not allowed")
aggregates("match what was joined", [lookup("orders"), {"$match": {"found.customer": "SECRET 1"}}], "encrypt")

# Explaining: that it is answered, and what leaves; answers differ by their nature.
for explained in [
    {"find": "people", "filter": {"ssn": "SECRET 1"}},
    {"aggregate": "people", "pipeline": [MATCH], "cursor": {}},
    {"update": "people", "updates": [{"q": {"ssn": "SECRET 1"}, "u": {"$set": {"ssn": "SECRET 2"}}}]},
    {"delete": "people", "deletes": [{"q": {"ssn": "SECRET 1"}, "limit": 1}]},
    {"findAndModify": "people", "query": {"ssn": "SECRET 1"}, "remove": True},
    {"count": "people", "query": {"ssn": "SECRET 1"}},
    {"distinct": "people", "key": "ssn", "query": {"ssn": "SECRET 1"}},
]:
    case(
        f"explain: {next(iter(explained))}",
        lambda db, it=explained: "queryPlanner" in str(db.command("explain", it)),
    )
case(
    "explain: a refusal",
    lambda db: db.command("explain", {"find": "people", "filter": {"note": 1}}),
    RANDOMIZED,
)

# Indexes and validators are checked, and leave as they are.
case(
    "createIndexes: partial, by a plain field",
    lambda db: db.people.create_index("other", partialFilterExpression={"n": {"$gt": 1}}),
)
case(
    "createIndexes: partial, by an encrypted field",
    lambda db: db.people.create_index("other", partialFilterExpression={"ssn": "SECRET"}),
    "Comparison to encrypted fields not supported",
)
case(
    "collMod: a validator on an encrypted field",
    lambda db: db.command("collMod", "people", validator={"ssn": "SECRET"}),
    "Comparison to encrypted fields not supported",
)
case(
    "a command that is not analysed",
    lambda db: db.command("validate", "people"),
    "not supported for auto encryption",
)
