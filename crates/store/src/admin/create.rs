//! Creating and dropping collections.

use std::sync::Arc;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};

use crate::catalog::{Collection, Kind, ViewDefinition, whole_number};
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::namespace::{Namespace, check_database};
use crate::store::Store;
use crate::transaction::Transaction;

/// The size of a capped collection is a multiple of this, in bytes.
const CAPPED_UNIT: i64 = 256;

/// Options of `create` that mean nothing on this storage and are accepted.
const IGNORED: [&str; 2] = ["autoIndexId", "comment"];

impl Store {
    /// Creates a collection or a view with the options of the `create` command (its own fields,
    /// such as `create`, `$db` and `writeConcern`, left out).
    ///
    /// # Errors
    /// `NamespaceExists` if there is one with other options; codes of MongoDB for bad options.
    pub fn create_collection(&self, namespace: &Namespace, options: &RawDocument) -> Result<()> {
        let namespace = namespace.clone();
        let options = normalized(options)?;
        self.write(move |transaction| create(transaction, &namespace, options).map(|_| ()))
    }

    /// Drops a collection or view; answers how many indexes it had, or nothing if there was none.
    ///
    /// # Errors
    /// Only of the storage.
    pub fn drop_collection(&self, namespace: &Namespace) -> Result<Option<usize>> {
        let namespace = namespace.clone();
        self.write(move |transaction| {
            let Some(collection) = transaction.catalog().get(&namespace).cloned() else {
                return Ok(None);
            };
            transaction.drop_collection(&collection)?;
            Ok(Some(collection.data().map_or(0, |data| data.indexes.len())))
        })
    }

    /// Drops a database with all that is in it; answers whether it existed.
    ///
    /// # Errors
    /// `InvalidNamespace` for a bad name.
    pub fn drop_database(&self, database: &str) -> Result<bool> {
        check_database(database)?;
        let database = database.to_owned();
        self.write(move |transaction| {
            let collections: Vec<_> =
                transaction.catalog().collections(&database).cloned().collect();
            for collection in &collections {
                transaction.drop_collection(collection)?;
            }
            Ok(!collections.is_empty())
        })
    }
}

/// Creates the collection that a write names for the first time.
pub(crate) fn implicitly(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
) -> Result<Arc<Collection>> {
    create(transaction, namespace, RawDocumentBuf::new())
}

/// Creates a collection or view; answers the one that exists if it has the same options.
pub(crate) fn create(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    options: RawDocumentBuf,
) -> Result<Arc<Collection>> {
    if let Some(existing) = transaction.catalog().get(namespace) {
        if existing.options == options {
            return Ok(Arc::clone(existing));
        }
        return Err(StoreError::new(
            Code::NAMESPACE_EXISTS,
            format!("a collection '{namespace}' already exists with different options"),
        ));
    }
    check_letter_case(transaction, namespace.database())?;
    let kind = match options.get("viewOn")? {
        Some(_) => {
            let definition = ViewDefinition::from_options(&options)?;
            transaction.check_view(namespace, &definition)?;
            Kind::View(definition)
        }
        None => Kind::Data(transaction.new_data(&options)?),
    };
    let uuid = transaction.new_uuid();
    let collection = Collection { namespace: namespace.clone(), uuid, options, kind };
    transaction.save(collection.clone())?;
    Ok(Arc::new(collection))
}

/// Two databases may not differ in the case of letters only.
pub(super) fn check_letter_case(transaction: &Transaction<'_>, database: &str) -> Result<()> {
    let lower = database.to_lowercase();
    let other = transaction
        .catalog()
        .databases()
        .find(|other| *other != database && other.to_lowercase() == lower);
    match other {
        Some(other) => Err(StoreError::new(
            Code::DATABASE_DIFFERS_IN_CASE,
            format!(
                "db already exists with different case already have: [{other}] trying to create \
                 [{database}]"
            ),
        )),
        None => Ok(()),
    }
}

/// Checks the options of `create` and keeps those that are not at their default.
fn normalized(options: &RawDocument) -> Result<RawDocumentBuf> {
    let mut out = RawDocumentBuf::new();
    let mut is_capped = false;
    for field in options.iter() {
        let (name, value) = field?;
        match name.as_str() {
            "capped" => {
                is_capped = flag("capped", value)?;
                if is_capped {
                    out.append(name, true);
                }
                continue;
            }
            "size" | "max" => {
                let number = whole_number(value).ok_or_else(|| {
                    wrong_type(name.as_str(), value, "[long, int, decimal, double]")
                })?;
                if name.as_str() == "size" && number < 1 {
                    return Err(StoreError::bad_value(format!(
                        "BSON field 'size' value must be >= 1, actual value '{number}'"
                    )));
                }
                let number = if name.as_str() == "size" { capped_size(number) } else { number };
                out.append(name, number);
                continue;
            }
            // Options of other storage engines are kept to be listed, and mean nothing here.
            "validator"
            | "pipeline"
            | "viewOn"
            | "validationLevel"
            | "validationAction"
            | "storageEngine"
            | "indexOptionDefaults" => {
                check_kind(name.as_str(), value)?;
            }
            "changeStreamPreAndPostImages"
            | "timeseries"
            | "clusteredIndex"
            | "encryptedFields"
            | "expireAfterSeconds" => {
                return Err(StoreError::new(
                    Code::COMMAND_NOT_SUPPORTED,
                    format!("the option '{name}' of create is not supported"),
                ));
            }
            "collation" => {
                if let Some(collation) = crate::collation::read(value)? {
                    out.append(name, collation);
                }
                continue;
            }
            "idIndex" => continue,
            ignored if IGNORED.contains(&ignored) => continue,
            unknown => {
                return Err(StoreError::new(
                    Code::location(40_415),
                    format!("BSON field 'create.{unknown}' is an unknown field."),
                ));
            }
        }
        if value != RawBsonRef::Boolean(false) {
            out.append(name, value);
        }
    }
    check_together(&out, is_capped)?;
    if out.get("viewOn")?.is_some() && out.get("pipeline")?.is_none() {
        out.append(cstr!("pipeline"), bson::RawArrayBuf::new());
    }
    Ok(out)
}

/// The size in bytes that a capped collection gets for the one asked for.
pub(super) fn capped_size(bytes: i64) -> i64 {
    bytes.saturating_add(CAPPED_UNIT - 1) / CAPPED_UNIT * CAPPED_UNIT
}

fn check_kind(name: &str, value: RawBsonRef<'_>) -> Result<()> {
    let fits = match name {
        "validator" | "storageEngine" | "indexOptionDefaults" => value.as_document().is_some(),
        "pipeline" => value.as_array().is_some(),
        _ => value.as_str().is_some(),
    };
    let expected = match name {
        "validator" | "storageEngine" | "indexOptionDefaults" => "object",
        "pipeline" => "array",
        _ => "string",
    };
    if fits { Ok(()) } else { Err(wrong_type(name, value, expected)) }
}

fn check_together(options: &RawDocument, is_capped: bool) -> Result<()> {
    let has = |name| options.get(name).is_ok_and(|value| value.is_some());
    let invalid = |message: &str| Err(StoreError::new(Code::INVALID_OPTIONS, message));
    if is_capped && !has("size") {
        return invalid("the 'size' field is required when 'capped' is true");
    }
    if !is_capped && (has("size") || has("max")) {
        return invalid(
            "the 'capped' field needs to be true when either the 'size' or 'max' fields are present",
        );
    }
    if has("pipeline") && !has("viewOn") {
        return invalid("'pipeline' requires 'viewOn' to also be specified");
    }
    if has("viewOn") && (is_capped || has("validator")) {
        return invalid("options of a collection cannot be given for a view");
    }
    Ok(())
}

fn flag(name: &str, value: RawBsonRef<'_>) -> Result<bool> {
    match value {
        RawBsonRef::Boolean(flag) => Ok(flag),
        other => whole_number(other)
            .map(|number| number != 0)
            .ok_or_else(|| wrong_type(name, other, "[bool, long, int, decimal, double]")),
    }
}

fn wrong_type(name: &str, value: RawBsonRef<'_>, expected: &str) -> StoreError {
    let found = fieldveil_query::value::BsonType::of(value).name();
    StoreError::new(
        Code::TYPE_MISMATCH,
        format!(
            "BSON field 'create.{name}' is the wrong type '{found}', expected type '{expected}'"
        ),
    )
}
