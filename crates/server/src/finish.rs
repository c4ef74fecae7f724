//! From a command's result to the bytes of its reply.

use std::time::Instant;

use bson::{RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};

use crate::{
    codes, error::CommandResult, fail_points, request::Request, service::Answer, shared::Shared,
};

/// Turns a result into bytes to send, and decides whether more follow unasked.
pub(crate) fn finish(
    shared: &Shared,
    request: Request,
    result: CommandResult,
    fault: Option<fail_points::Fault>,
    begun: Instant,
) -> Answer {
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let fault = fault.unwrap_or_default();
    let mut reply = match result {
        Ok(mut reply) => {
            tracing::debug!(micros, "done");
            if let Some(error) = fault.write_concern_error {
                reply.append(cstr!("writeConcernError"), error);
            }
            reply
        }
        Err(error) => {
            tracing::debug!(micros, code = error.code, "failed");
            error.to_reply()
        }
    };
    append_labels(shared, &request, &mut reply, fault.error_labels);
    if reply.get("ok").is_ok_and(|ok| ok.is_none()) {
        reply.append(cstr!("ok"), 1.0);
    }
    if shared.options.replica_set.is_some() {
        append_times(shared, &mut reply);
    }
    if request.exhaust_allowed && has_more(&request, &reply) {
        return Answer::ReplyThen(reply, Box::new(request));
    }
    Answer::Reply(reply)
}

/// Labels that a test asks for, or else the one that tells a driver to try a write again.
fn append_labels(
    shared: &Shared,
    request: &Request,
    reply: &mut RawDocumentBuf,
    asked_for: Option<Vec<String>>,
) {
    let labels = asked_for.unwrap_or_else(|| {
        let is_retryable_write = shared.options.replica_set.is_some()
            && request.body.get("txnNumber").is_ok_and(|number| number.is_some());
        let code = reply.get_i32("code").or_else(|_| {
            reply.get_document("writeConcernError").and_then(|error| error.get_i32("code"))
        });
        match code {
            Ok(code) if is_retryable_write && codes::RETRYABLE.contains(&code) => {
                vec!["RetryableWriteError".to_owned()]
            }
            _ => Vec::new(),
        }
    });
    if !labels.is_empty() {
        let labels: bson::RawArrayBuf = labels.iter().map(String::as_str).collect();
        reply.append(cstr!("errorLabels"), labels);
    }
}

/// Whether a client that allows it gets another reply without asking.
fn has_more(request: &Request, reply: &RawDocumentBuf) -> bool {
    if !matches!(reply.get("ok"), Ok(Some(RawBsonRef::Double(1.0)))) {
        return false;
    }
    match request.name.as_str() {
        "hello" | "isMaster" | "ismaster" => {
            request.body.get("topologyVersion").is_ok_and(|it| it.is_some())
        }
        "getMore" => {
            let cursor = reply.get_document("cursor");
            cursor.and_then(|cursor| cursor.get_i64("id")).is_ok_and(|id| id != 0)
        }
        _ => false,
    }
}

fn append_times(shared: &Shared, reply: &mut RawDocumentBuf) {
    let time = shared.clock.last_write();
    let hash = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0; 20] };
    reply.append(
        cstr!("$clusterTime"),
        rawdoc! { "clusterTime": time, "signature": { "hash": hash, "keyId": 0i64 } },
    );
    reply.append(cstr!("operationTime"), time);
}
