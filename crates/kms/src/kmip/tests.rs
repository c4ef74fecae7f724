use proptest::prelude::*;

use super::KmipParser;
use super::reply;
use super::request;
use super::ttlv::{Tag, Writer};
use crate::test_support::hex;

/// The head that all requests share: lengths of the message and of the batch item differ.
fn head(message: &str, minor: u8, item: &str, operation: &str) -> String {
    format!(
        "42007801 0000{message} 42007701 00000038 42006901 00000020
         42006A02 00000004 0000000100000000 42006B02 00000004 000000{minor:02X}00000000
         42000D02 00000004 0000000100000000
         42000F01 0000{item} 42005C05 00000004 000000{operation}00000000"
    )
}

#[test]
fn get_and_activate_name_the_object() {
    let payload = "42007901 00000010 42009407 00000002 3339000000000000";
    let get = head("0070", 0, "0028", "0A") + payload;
    assert_eq!(request::get("39").expose(), hex(&get));
    let activate = head("0070", 0, "0028", "12") + payload;
    assert_eq!(request::activate("39").expose(), hex(&activate));
}

#[test]
fn register_carries_the_secret() {
    let secret = [0xAB; 96];
    let expected = head("0150", 0, "0108", "03")
        + "42007901 000000F0
           42005705 00000004 0000000700000000
           42009101 00000038 42000801 00000030
           42000A07 00000018 43727970746F67726170686963205573616765204D61736B
           42000B02 00000004 0000000000000000
           42008501 00000098 42008605 00000004 0000000200000000
           42004001 00000080 42004205 00000004 0000000200000000
           42004501 00000068 42004308 00000060"
        + &"AB".repeat(96);
    assert_eq!(request::register(&secret).expose(), hex(&expected));
}

#[test]
fn create_asks_for_an_aes_key_of_256_bits() {
    let message = request::create();
    let expected = head("0120", 2, "00D8", "01")
        + "42007901 000000C0
           42005705 00000004 0000000200000000
           42009101 000000A8
           42000801 00000030
           42000A07 00000017 43727970746F6772617068696320416C676F726974686D00
           42000B05 00000004 0000000300000000
           42000801 00000030
           42000A07 00000014 43727970746F67726170686963204C656E67746800000000
           42000B02 00000004 0000010000000000
           42000801 00000030
           42000A07 00000018 43727970746F67726170686963205573616765204D61736B
           42000B02 00000004 0000000C00000000";
    assert_eq!(message.expose(), hex(&expected));
}

#[test]
fn encrypt_and_decrypt_differ_in_the_iv() {
    let encrypt = head("00C8", 2, "0080", "1F")
        + "42007901 00000068
           42009407 00000001 3100000000000000
           42002B01 00000040
           42001105 00000004 0000000100000000
           42005F05 00000004 0000000300000000
           42002805 00000004 0000000300000000
           4200C506 00000008 0000000000000001
           4200C208 00000003 0102030000000000";
    assert_eq!(request::encrypt("1", &[1, 2, 3]).expose(), hex(&encrypt));
    let decrypt = head("00D0", 2, "0088", "20")
        + "42007901 00000070
           42009407 00000001 3100000000000000
           42002B01 00000030
           42001105 00000004 0000000100000000
           42005F05 00000004 0000000300000000
           42002805 00000004 0000000300000000
           4200C208 00000003 0102030000000000
           42003D08 00000010 09090909090909090909090909090909";
    assert_eq!(request::decrypt("1", &[9; 16], &[1, 2, 3]).expose(), hex(&decrypt));
}

/// A reply with one batch item, as a server would write it.
fn server_reply(status: u32, content: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::message(Tag::ResponseMessage, |message| {
        message.structure(Tag::BatchItem, |item| {
            item.enumeration(Tag::ResultStatus, status);
            content(item);
        });
    })
    .expose()
    .to_vec()
}

pub(crate) fn id_reply(id: &str) -> Vec<u8> {
    server_reply(0, |item| {
        item.structure(Tag::ResponsePayload, |payload| payload.text(Tag::UniqueIdentifier, id));
    })
}

pub(crate) fn get_reply(secret: &[u8]) -> Vec<u8> {
    server_reply(0, |item| {
        item.structure(Tag::ResponsePayload, |payload| {
            payload.structure(Tag::SecretData, |data| {
                data.structure(Tag::KeyBlock, |block| {
                    block.structure(Tag::KeyValue, |value| {
                        value.bytes(Tag::KeyMaterial, secret);
                    });
                });
            });
        });
    })
}

pub(crate) fn data_reply(data: &[u8], iv: Option<&[u8]>) -> Vec<u8> {
    server_reply(0, |item| {
        item.structure(Tag::ResponsePayload, |payload| {
            payload.bytes(Tag::Data, data);
            if let Some(iv) = iv {
                payload.bytes(Tag::IVCounterNonce, iv);
            }
        });
    })
}

#[test]
fn replies_give_what_was_asked_for() {
    assert_eq!(reply::unique_identifier(&id_reply("39"), "x").unwrap(), "39");
    assert_eq!(reply::secret_data(&get_reply(&[7; 96])).unwrap().expose(), [7; 96]);
    let encrypted = reply::encrypted(&data_reply(&[1; 3], Some(&[2; 16]))).unwrap();
    assert_eq!(encrypted.expose(), [&[2; 16][..], &[1; 3]].concat());
    assert_eq!(reply::decrypted(&data_reply(&[1; 3], None)).unwrap().expose(), [1; 3]);
}

#[test]
fn a_failed_operation_tells_why() {
    let message = server_reply(1, |item| {
        item.enumeration(Tag::ResultReason, 1);
        item.text(Tag::ResultMessage, "ResultReasonItemNotFound");
    });
    assert_eq!(
        reply::secret_data(&message).err().unwrap().to_string(),
        "Error getting SecretData from KMIP Get response: KMIP response error. Result Status (1): \
         Operation Failed. Result Reason (1): Item Not Found. Result Message: \
         ResultReasonItemNotFound"
    );
}

#[test]
fn what_is_missing_is_named() {
    let error = |error: crate::KmsError| error.to_string();
    assert_eq!(
        error(reply::encrypted(&data_reply(&[1], None)).err().unwrap()),
        "Error getting IV from KMIP Encrypt response: unable to find tag: IVCounterNonce"
    );
    assert_eq!(
        error(reply::encrypted(&data_reply(&[1], Some(&[2; 15]))).err().unwrap()),
        "KMIP IV response has unexpected length: 15"
    );
    assert_eq!(
        error(reply::decrypted(&id_reply("1")).err().unwrap()),
        "Error getting data from KMIP Decrypt response: unable to find tag: Data"
    );
    assert_eq!(
        error(reply::decrypted(b"").err().unwrap()),
        "Error getting data from KMIP Decrypt response: unable to find tag: ResponseMessage"
    );
}

#[test]
fn the_first_eight_bytes_say_how_many_follow() {
    let message = get_reply(&[7; 96]);
    for length in 0..message.len() {
        let mut parser = KmipParser::new();
        for byte in &message[..length] {
            parser.feed(&[*byte]).unwrap();
        }
        let expected = if length < 8 { 8 - length } else { message.len() - length };
        assert_eq!(parser.wanted(), expected);
    }
    let mut parser = KmipParser::new();
    assert_eq!(parser.feed(&hex("42007B01 01000001")).unwrap_err(), "KMS KMIP response too large");
    assert_eq!(KmipParser::new().feed(&[0; 9]).unwrap_err(), "KMIP parser was fed too much data");
    let mut parser = KmipParser::new();
    parser.feed(&hex("42007B01 00010000")).unwrap();
    assert_eq!(parser.wanted(), 1024);
}

proptest! {
    #[test]
    fn no_change_to_a_reply_makes_it_panic(at in 0usize..200, byte: u8, cut in 0usize..250) {
        let mut message = get_reply(&[7; 96]);
        let at = at % message.len();
        message[at] = byte;
        message.truncate(cut);
        let _ = reply::secret_data(&message);
        let _ = reply::encrypted(&message);
        let _ = reply::unique_identifier(&message, "x");
    }
}
