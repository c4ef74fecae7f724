//! A command that has ended, as documents of the profiler.

use bson::{
    RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf,
    raw::{CStr, cstr},
    rawdoc,
};

use crate::{
    commands::operation::{body, kind, namespace},
    error::CommandResult,
    peer::Peer,
    request::Request,
    table::Command,
};

/// Larger commands and statements are not shown whole.
const SHOWN_BYTES: usize = 50 * 1024;

/// A command that has ended.
pub(crate) struct Ended<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) command: &'a Command,
    pub(crate) request: &'a Request,
    pub(crate) result: &'a CommandResult,
    /// How long it took.
    pub(crate) millis: i64,
}

impl Ended<'_> {
    /// The documents that the profiler writes: one for each update or delete of the command, as
    /// MongoDB does, which share its time.
    pub(crate) fn documents(&self) -> Vec<RawDocumentBuf> {
        let statements = match self.command.name {
            "update" => statements(self.request, "updates"),
            "delete" => statements(self.request, "deletes"),
            _ => Vec::new(),
        };
        if statements.is_empty() {
            let shown = body(self.command, self.request, SHOWN_BYTES);
            return vec![self.document(shown, true, self.millis)];
        }
        let count = statements.len();
        let millis = self.millis / i64::try_from(count).unwrap_or(i64::MAX);
        statements.into_iter().map(|shown| self.document(shown, count == 1, millis)).collect()
    }

    /// One document: what is shown of the command, whether all that the reply counts is of it, and
    /// how long it took.
    fn document(&self, shown: RawDocumentBuf, counts: bool, millis: i64) -> RawDocumentBuf {
        let mut shown = rawdoc! {
            "op": kind(self.command.name),
            "ns": namespace(self.request),
            "command": shown,
        };
        match self.result {
            Ok(reply) => {
                if counts {
                    append_outcome(&mut shown, self.command, reply);
                }
                let bytes = i32::try_from(reply.as_bytes().len()).unwrap_or(i32::MAX);
                shown.append(cstr!("responseLength"), bytes);
            }
            Err(error) => {
                shown.append(cstr!("ok"), 0);
                shown.append(cstr!("errMsg"), error.message.as_str());
                shown.append(cstr!("errName"), fieldveil_query::code_name(error.code));
                shown.append(cstr!("errCode"), error.code);
            }
        }
        shown.append(cstr!("protocol"), "op_msg");
        shown.append(cstr!("millis"), i32::try_from(millis).unwrap_or(i32::MAX));
        shown.append(cstr!("ts"), bson::DateTime::now());
        shown.append(cstr!("client"), self.peer.address.to_string());
        let state = self.peer.state();
        if let Some(name) = &state.app_name {
            shown.append(cstr!("appName"), name.as_str());
        }
        let users: RawArrayBuf = state
            .authenticated
            .iter()
            .map(|name| rawdoc! { "user": name.user.as_str(), "db": name.database.as_str() })
            .collect();
        shown.append(cstr!("allUsers"), users);
        let user = state.authenticated.first();
        let user = user.map_or_else(String::new, |it| format!("{}@{}", it.user, it.database));
        shown.append(cstr!("user"), user);
        shown
    }
}

/// The statements of a command that writes, with its comment.
fn statements(request: &Request, name: &str) -> Vec<RawDocumentBuf> {
    let comment = request.body.get("comment").ok().flatten();
    let shown = |statement: &RawDocument| {
        let size = statement.as_bytes().len();
        if size > SHOWN_BYTES {
            return rawdoc! { "$truncated": format!("a statement of {size} bytes") };
        }
        let mut shown = RawDocumentBuf::new();
        for (name, value) in statement.iter().flatten() {
            match value {
                RawBsonRef::String(index) if name == "hint" => {
                    shown.append(name, rawdoc! { "$hint": index });
                }
                value => shown.append(name, value),
            }
        }
        if let Some(comment) = comment {
            shown.append(cstr!("comment"), comment);
        }
        shown
    };
    let elements = request.elements(name).into_iter().flatten().flatten();
    elements.filter_map(|it| it.as_document()).map(shown).collect()
}

/// What a reply says about how much was done.
fn append_outcome(shown: &mut RawDocumentBuf, command: &Command, reply: &RawDocument) {
    let fields: &[(&str, &CStr)] = match command.name {
        "insert" => &[("n", cstr!("ninserted"))],
        "delete" => &[("n", cstr!("ndeleted"))],
        "update" => &[("n", cstr!("nMatched")), ("nModified", cstr!("nModified"))],
        _ => &[],
    };
    for (from, to) in fields {
        if let Ok(Some(value)) = reply.get(from) {
            shown.append(*to, value);
        }
    }
    let Ok(cursor) = reply.get_document("cursor") else { return };
    let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch"));
    if let Ok(batch) = batch {
        let count = i32::try_from(batch.into_iter().count()).unwrap_or(i32::MAX);
        shown.append(cstr!("nreturned"), count);
    }
    match cursor.get_i64("id") {
        Ok(0) => shown.append(cstr!("cursorExhausted"), true),
        Ok(id) => shown.append(cstr!("cursorid"), id),
        Err(_) => {}
    }
}
