//! A command, however it was framed.

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, raw::CString};
use fieldveil_wire::{Message, MsgFlags, Operation, Sequence};

use crate::{codes, error::CommandError, reply::append_all};

/// A command as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The database it is for.
    pub(crate) database: String,
    /// The first field's name, which is the command's.
    pub(crate) name: String,
    /// The command without its document sequences.
    pub(crate) body: RawDocumentBuf,
    /// Arrays that were sent apart from the body.
    pub(crate) sequences: Vec<Sequence>,
    /// Whether several replies may be sent.
    pub(crate) exhaust_allowed: bool,
}

impl Request {
    /// Reads the command out of a message.
    ///
    /// # Errors
    /// When the message holds no command, or names no database.
    pub(crate) fn from_operation(operation: Operation) -> Result<Self, CommandError> {
        match operation {
            Operation::Msg(message) => {
                let database = match message.body.get("$db") {
                    Ok(Some(value)) => value.as_str().map(ToOwned::to_owned).ok_or_else(|| {
                        CommandError::type_mismatch("BSON field '$db' must be of type string")
                    })?,
                    _ => {
                        return Err(CommandError::new(
                            codes::MISSING_FIELD,
                            "OP_MSG requests require a $db argument",
                        ));
                    }
                };
                Ok(Self {
                    database: checked_database(database)?,
                    name: command_name(&message.body)?,
                    exhaust_allowed: message.flags.contains(MsgFlags::EXHAUST_ALLOWED),
                    body: message.body,
                    sequences: message.sequences,
                })
            }
            Operation::Query(query) => {
                let database = query.command_database().map(ToOwned::to_owned);
                let database = database.ok_or_else(unsupported_query)?;
                let body = unwrapped(query.query);
                Ok(Self {
                    database: checked_database(database)?,
                    name: command_name(&body)?,
                    body,
                    sequences: Vec::new(),
                    exhaust_allowed: false,
                })
            }
            Operation::Reply(_) => Err(CommandError::new(
                codes::ILLEGAL_OPERATION,
                "a reply was received where a request is expected",
            )),
        }
    }

    /// The documents that were sent apart from the body under a name.
    pub(crate) fn sequence(&self, name: &str) -> Option<&[RawDocumentBuf]> {
        let sequence = self.sequences.iter().find(|it| it.identifier == name);
        sequence.map(|sequence| sequence.documents.as_slice())
    }

    /// The elements of an array that may be in the body or sent apart; `None` if it is neither.
    /// One that is both is taken from apart.
    pub(crate) fn elements(
        &self,
        name: &str,
    ) -> Option<impl Iterator<Item = bson::error::Result<RawBsonRef<'_>>>> {
        let apart = self.sequence(name);
        let array = if apart.is_none() { Some(self.body.get_array(name).ok()?) } else { None };
        let apart = apart.into_iter().flatten().map(|it| Ok(RawBsonRef::Document(it)));
        Some(apart.chain(array.into_iter().flatten()))
    }

    /// The command with its sequences as arrays in the body.
    pub(crate) fn merged(&self) -> RawDocumentBuf {
        let mut body = self.body.clone();
        for sequence in &self.sequences {
            let array: RawArrayBuf =
                sequence.documents.iter().map(|document| &**document).collect();
            if let Ok(name) = CString::try_from(sequence.identifier.as_str()) {
                body.append(name, array);
            }
        }
        body
    }
}

/// Whether the sender of `message` waits for an answer.
pub(crate) fn reply_expected(message: &Message) -> bool {
    match &message.operation {
        Operation::Msg(message) => !message.flags.contains(MsgFlags::MORE_TO_COME),
        Operation::Query(_) | Operation::Reply(_) => true,
    }
}

fn unsupported_query() -> CommandError {
    CommandError::new(
        352,
        "Unsupported OP_QUERY command; use OP_MSG, which every driver since MongoDB 3.6 speaks",
    )
}

fn command_name(body: &RawDocument) -> Result<String, CommandError> {
    match body.iter().next() {
        Some(Ok((name, _))) => Ok(name.as_str().to_owned()),
        _ => Err(CommandError::new(codes::COMMAND_NOT_FOUND, "no such command: ''")),
    }
}

fn checked_database(name: String) -> Result<String, CommandError> {
    let is_valid = !name.is_empty()
        && name.len() < 64
        && !name.contains(['/', '\\', '.', ' ', '"', '\0'])
        && (!name.starts_with('$') || name == "$external");
    if is_valid {
        Ok(name)
    } else {
        Err(CommandError::new(codes::INVALID_NAMESPACE, format!("Invalid database name: '{name}'")))
    }
}

/// A legacy command may be wrapped as `{ $query: command, $readPreference: .. }`.
fn unwrapped(query: RawDocumentBuf) -> RawDocumentBuf {
    for key in ["$query", "query"] {
        let is_first = query
            .iter()
            .next()
            .is_some_and(|element| matches!(element, Ok((name, _)) if name.as_str() == key));
        if is_first && let Ok(command) = query.get_document(key) {
            let mut body = RawDocumentBuf::new();
            append_all(&mut body, command);
            return body;
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use fieldveil_wire::{OpMsg, OpQuery};

    use super::*;

    fn message(body: RawDocumentBuf) -> Result<Request, CommandError> {
        Request::from_operation(Operation::Msg(OpMsg::new(body)))
    }

    #[test]
    fn the_database_must_be_named_and_valid() {
        assert_eq!(message(rawdoc! { "ping": 1, "$db": "a" }).unwrap().database, "a");
        assert_eq!(message(rawdoc! { "ping": 1 }).unwrap_err().code, 40414);
        assert_eq!(message(rawdoc! { "ping": 1, "$db": 1 }).unwrap_err().code, 14);
        for name in ["", "a.b", "a b", "a/b", "a\"", "$a"] {
            assert_eq!(message(rawdoc! { "ping": 1, "$db": name }).unwrap_err().code, 73, "{name}");
        }
    }

    fn with_sequence(body: RawDocumentBuf) -> Request {
        let mut operation = OpMsg::new(body);
        operation.sequences.push(Sequence {
            identifier: "documents".into(),
            documents: vec![rawdoc! { "_id": 1 }],
        });
        Request::from_operation(Operation::Msg(operation)).unwrap()
    }

    #[test]
    fn elements_are_in_the_body_or_apart() {
        let apart = with_sequence(rawdoc! { "insert": "c", "documents": [2, 3], "$db": "d" });
        let found: Vec<_> = apart.elements("documents").unwrap().map(Result::unwrap).collect();
        assert_eq!(found, [RawBsonRef::Document(&rawdoc! { "_id": 1 })]);
        assert!(apart.elements("updates").is_none());
        let body = rawdoc! { "insert": "c", "documents": [2, {}], "updates": 1, "$db": "d" };
        let request = message(body).unwrap();
        assert_eq!(request.elements("documents").unwrap().count(), 2);
        assert!(request.elements("updates").is_none());
    }

    #[test]
    fn sequences_become_arrays() {
        let request = with_sequence(rawdoc! { "insert": "c", "$db": "d" });
        let expected = rawdoc! { "insert": "c", "$db": "d", "documents": [{ "_id": 1 }] };
        assert_eq!(request.merged(), expected);
    }

    #[test]
    fn a_legacy_command_is_unwrapped() {
        let query = OpQuery {
            flags: 0,
            full_collection_name: "admin.$cmd".into(),
            skip: 0,
            limit: -1,
            query: rawdoc! { "$query": { "ping": 1 }, "$readPreference": {} },
        };
        let request = Request::from_operation(Operation::Query(query)).unwrap();
        assert_eq!((request.name.as_str(), request.database.as_str()), ("ping", "admin"));
    }
}
