//! What to write instead of what was refused.

use super::AnalyzeError;

impl AnalyzeError {
    /// What to do instead, in a sentence; `None` if the error says it all.
    pub fn advice(&self) -> Option<String> {
        self.advice_on_values().or_else(|| self.advice_on_queries()).or_else(|| {
            let text = match self {
                Self::Request(error) => return error.advice(),
                Self::BulkWrite { .. } => "use insert, update and delete, one collection \
                                           at a time"
                    .to_owned(),
                Self::StoredComparison { path, .. } => format!(
                    "leave '{path}' out: a validator can only check that the field is encrypted, \
                     with {{$jsonSchema: {{properties: {{...: {{encrypt: ...}}}}}}}}"
                ),
                Self::ValidatorSchema { .. } => {
                    "use the same schema in the validator as in the schema map".to_owned()
                }
                Self::View { .. } => {
                    "create the view with a client without automatic encryption, and query the \
                     collection itself"
                        .to_owned()
                }
                _ => return None,
            };
            Some(text)
        })
    }

    fn advice_on_values(&self) -> Option<String> {
        let text = match self {
            Self::CannotEncrypt { path, kind: "null" | "undefined", .. } => {
                format!("leave '{path}' out instead of storing nothing in it")
            }
            Self::CannotEncrypt { path, .. } => format!(
                "give '{path}' a value of a type that the schema allows, or change the field's \
                 bsonType in the schema"
            ),
            Self::AlreadyEncrypted { path } => format!(
                "pass the plaintext of '{path}': automatic encryption encrypts it; or set \
                 bypassQueryAnalysis and encrypt every field explicitly"
            ),
            Self::ZeroTimestamp { .. } => "use a timestamp other than (0, 0)".to_owned(),
            Self::EncryptedIdMissing => "add an _id to the document".to_owned(),
            Self::DottedName { .. } => "write a nested object".to_owned(),
            Self::DuplicateName { path } => format!("give '{path}' once"),
            Self::PrefixValue { path, .. } => {
                format!("name the fields below '{path}' one by one, as '{path}.field'")
            }
            Self::PointerKey { path } => format!(
                "the key of '{path}' is chosen by the document; insert or replace the whole \
                 document, or give the field a key id in the schema"
            ),
            Self::PointerTarget { target, .. } => {
                format!("put the alternate name of a data key into '{target}'")
            }
            Self::PointerToEncrypted { .. } => {
                "let keyId point to a field that is not encrypted".to_owned()
            }
            Self::UpdateOperator { path, .. } => format!(
                "read '{path}', compute the new value in the application, and $set it; compare \
                 with the old value in the filter if others may change it meanwhile"
            ),
            Self::Rename { to, .. } => format!("read the value, $set '{to}', and $unset the other"),
            Self::PipelineUpdate => {
                "use update operators such as $set, or a replacement".to_owned()
            }
            Self::Positional { .. } | Self::ArrayUpdate { .. } => {
                "an encrypted array is one value: read it, change it, and $set the whole".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }

    fn advice_on_queries(&self) -> Option<String> {
        let text = match self {
            Self::BelowEncrypted { encrypted, .. } => format!(
                "'{encrypted}' is encrypted as a whole, so the server cannot see inside; read it \
                 and work on the decrypted value"
            ),
            Self::AmbiguousIndex { .. } => "name the field without the array position".to_owned(),
            Self::RandomQuery { path } => format!(
                "find the document by another field; or encrypt '{path}' with the Deterministic \
                 algorithm, if equal values may be recognised"
            ),
            Self::NullEquality { path } | Self::NullInList { path } => {
                format!("ask for {{'{path}': {{$exists: false}}}}")
            }
            Self::InvalidOperator { path, .. } | Self::PrefixOperator { encrypted: path, .. } => {
                format!(
                    "only $eq, $ne, $in, $nin, $exists and logic around them work on '{path}'; \
                     narrow the query by other fields, and test the decrypted documents"
                )
            }
            Self::UnsupportedOperator { .. } => {
                "write the condition with comparison operators".to_owned()
            }
            Self::Collation { .. } => {
                "leave the collation out, and store the text in one form, as in lower case"
                    .to_owned()
            }
            Self::InvalidReference { .. } | Self::UnsupportedExpression { .. } => {
                "compute it in the application from the decrypted documents; only $eq, $ne and $in \
                 with constants, $cond, $ifNull, $switch and $let work on encrypted fields"
                    .to_owned()
            }
            Self::NonConstantComparison { path } => {
                format!("compare '{path}' with a constant; variables are not encrypted")
            }
            Self::DifferentMetadata { .. } => {
                "compare fields that have the same algorithm, key and type".to_owned()
            }
            Self::UnknownUntilRuntime { path } => format!(
                "use '{path}' before the stage that makes it, or give all branches there the same \
                 encryption"
            ),
            Self::GroupKey { .. } => {
                "group by a field that is not encrypted, or encrypted deterministically".to_owned()
            }
            Self::Accumulator { .. } => {
                "$push the values, and compute with them after decryption".to_owned()
            }
            Self::StageNotAllowed { .. } | Self::GraphLookupFrom { .. } => {
                "do this part in the application, or in a second command".to_owned()
            }
            Self::LookupLet => {
                "join with localField and foreignField, and put constants into the pipeline"
                    .to_owned()
            }
            Self::Sort { .. } => "sort by another field, or the decrypted documents".to_owned(),
            Self::UnsupportedOption { option, .. } => {
                format!("let '{option}' name a field that is not encrypted")
            }
            Self::DistinctPointerKey { .. } => {
                "read the documents, and collect the decrypted values".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }
}
