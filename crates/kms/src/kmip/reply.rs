//! What a complete reply says: a result status, and a payload that depends on the operation.

use zeroize::Zeroizing;

use super::ttlv::{Items, Tag, Type};
use crate::{KmsError, SecretBytes};

/// Bytes of the initialisation vector that a server chooses.
pub(crate) const IV_BYTES: usize = 16;

/// The identifier of what was registered, created or activated.
pub(crate) fn unique_identifier(message: &[u8], what: &'static str) -> Result<String, KmsError> {
    let id = payload(message).and_then(|payload| {
        payload
            .find(Tag::UniqueIdentifier, Type::TextString)
            .ok_or_else(|| missing("UniqueIdentifier"))
    });
    let id = id.map_err(|reason| KmsError::KmipReply { what, reason })?;
    match std::str::from_utf8(id) {
        Ok(id) => Ok(id.to_owned()),
        Err(_) => {
            Err(KmsError::KmipReply { what, reason: "unable to read unique identifier".into() })
        }
    }
}

/// The secret that the server keeps.
pub(crate) fn secret_data(message: &[u8]) -> Result<SecretBytes, KmsError> {
    let what = "SecretData from KMIP Get response";
    let path =
        [(Tag::SecretData, "SecretData"), (Tag::KeyBlock, "KeyBlock"), (Tag::KeyValue, "KeyValue")];
    let material = payload(message).and_then(|payload| {
        let mut items = payload;
        for (tag, name) in path {
            items = items.structure(tag).ok_or_else(|| missing(name))?;
        }
        items.find(Tag::KeyMaterial, Type::ByteString).ok_or_else(|| missing("KeyMaterial"))
    });
    let material = material.map_err(|reason| KmsError::KmipReply { what, reason })?;
    Ok(SecretBytes::new(material.to_vec()))
}

/// The server's initialisation vector, followed by its ciphertext.
pub(crate) fn encrypted(message: &[u8]) -> Result<SecretBytes, KmsError> {
    let data = data(message, "data from KMIP Encrypt response")?;
    let what = "IV from KMIP Encrypt response";
    let iv = payload(message).and_then(|payload| {
        payload.find(Tag::IVCounterNonce, Type::ByteString).ok_or_else(|| missing("IVCounterNonce"))
    });
    let iv = iv.map_err(|reason| KmsError::KmipReply { what, reason })?;
    if iv.len() != IV_BYTES {
        return Err(KmsError::KmipIvLength(iv.len()));
    }
    Ok(SecretBytes::new([iv, data].concat()))
}

/// What the server decrypted.
pub(crate) fn decrypted(message: &[u8]) -> Result<SecretBytes, KmsError> {
    let data = data(message, "data from KMIP Decrypt response")?;
    Ok(SecretBytes::from(Zeroizing::new(data.to_vec())))
}

fn data<'a>(message: &'a [u8], what: &'static str) -> Result<&'a [u8], KmsError> {
    payload(message)
        .and_then(|payload| {
            payload.find(Tag::Data, Type::ByteString).ok_or_else(|| missing("Data"))
        })
        .map_err(|reason| KmsError::KmipReply { what, reason })
}

/// The payload of a reply that reports success.
fn payload(message: &[u8]) -> Result<Items<'_>, String> {
    let item = Items::new(message)
        .structure(Tag::ResponseMessage)
        .ok_or_else(|| missing("ResponseMessage"))?
        .structure(Tag::BatchItem)
        .ok_or_else(|| missing("BatchItem"))?;
    let status = item.enumeration(Tag::ResultStatus).ok_or_else(|| missing("ResultStatus"))?;
    if status != 0 {
        let reason = item.enumeration(Tag::ResultReason).unwrap_or_default();
        let text = item.find(Tag::ResultMessage, Type::TextString).unwrap_or_default();
        return Err(format!(
            "KMIP response error. Result Status ({status}): {}. Result Reason ({reason}): {}. \
             Result Message: {}",
            status_name(status),
            reason_name(reason),
            String::from_utf8_lossy(text)
        ));
    }
    item.structure(Tag::ResponsePayload).ok_or_else(|| missing("ResponsePayload"))
}

fn missing(tag: &str) -> String {
    format!("unable to find tag: {tag}")
}

fn status_name(status: u32) -> &'static str {
    match status {
        0 => "Success",
        1 => "Operation Failed",
        2 => "Operation Pending",
        3 => "Operation Undone",
        _ => "Unknown KMIP result status",
    }
}

/// KMIP specification 1.4, section 9.1.3.2.29.
fn reason_name(reason: u32) -> &'static str {
    match reason {
        0x01 => "Item Not Found",
        0x02 => "Response Too Large",
        0x03 => "Authentication Not Successful",
        0x04 => "Invalid Message",
        0x05 => "Operation Not Supported",
        0x06 => "Missing Data",
        0x07 => "Invalid Field",
        0x08 => "Feature Not Supported",
        0x09 => "Operation Canceled By Requester",
        0x0A => "Cryptographic Failure",
        0x0B => "Illegal Operation",
        0x0C => "Permission Denied",
        0x0D => "Object archived",
        0x0E => "Index Out of Bounds",
        0x0F => "Application Namespace Not Supported",
        0x10 => "Key Format Type Not Supported",
        0x11 => "Key Compression Type Not Supported",
        0x12 => "Encoding Option Error",
        0x13 => "Key Value Not Present",
        0x14 => "Attestation Required",
        0x15 => "Attestation Failed",
        0x16 => "Sensitive",
        0x17 => "Not Extractable",
        0x18 => "Object Already Exists",
        0x100 => "General Failure",
        _ => "Unknown KMIP result reason",
    }
}
