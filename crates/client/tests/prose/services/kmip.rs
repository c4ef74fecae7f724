//! A KMIP server: secrets that are registered and fetched, and keys that wrap on its own side.

use std::{collections::HashMap, io, sync::Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const BATCH_ITEM: u32 = 0x42_000F;
const IV: u32 = 0x42_003D;
const KEY_BLOCK: u32 = 0x42_0040;
const KEY_MATERIAL: u32 = 0x42_0043;
const KEY_VALUE: u32 = 0x42_0045;
const OPERATION: u32 = 0x42_005C;
const RESPONSE_MESSAGE: u32 = 0x42_007B;
const RESPONSE_PAYLOAD: u32 = 0x42_007C;
const RESULT_MESSAGE: u32 = 0x42_007D;
const RESULT_REASON: u32 = 0x42_007E;
const RESULT_STATUS: u32 = 0x42_007F;
const SECRET_DATA: u32 = 0x42_0085;
const UNIQUE_IDENTIFIER: u32 = 0x42_0094;
const DATA: u32 = 0x42_00C2;

const STRUCTURE: u8 = 1;
const ENUMERATION: u8 = 5;
const TEXT: u8 = 7;
const BYTES: u8 = 8;

const ITEM_NOT_FOUND: u32 = 1;

/// What the server keeps, by id.
pub(super) struct Objects(Mutex<HashMap<String, Vec<u8>>>);

impl Objects {
    /// With one secret, of id 1.
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::from([("1".to_owned(), vec![1; 96])])))
    }

    /// Everything that may not be seen.
    pub(super) fn secrets(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    /// Answers the requests of one connection.
    pub(super) async fn serve(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> io::Result<()> {
        loop {
            let mut head = [0; 8];
            stream.read_exact(&mut head).await?;
            let mut body = vec![0; length(&head)];
            stream.read_exact(&mut body).await?;
            let reply = self.answer(&body);
            stream.write_all(&reply).await?;
            stream.flush().await?;
        }
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let operation = find(request, OPERATION).and_then(|code| code.last().copied());
        let id = find(request, UNIQUE_IDENTIFIER)
            .map(|id| String::from_utf8_lossy(id).into_owned())
            .unwrap_or_default();
        let mut objects = self.0.lock().unwrap();
        let known = objects.get(&id).cloned();
        let payload = match (operation, known) {
            // Register and Create.
            (Some(kind @ (0x03 | 0x01)), _) => {
                let new = (objects.len() + 1).to_string();
                let secret = find(request, KEY_MATERIAL).unwrap_or(&[0x5A; 32]).to_vec();
                assert_eq!(secret.len(), if kind == 0x03 { 96 } else { 32 });
                objects.insert(new.clone(), secret);
                item(UNIQUE_IDENTIFIER, TEXT, new.as_bytes())
            }
            // Activate.
            (Some(0x12), Some(_)) => item(UNIQUE_IDENTIFIER, TEXT, id.as_bytes()),
            // Get.
            (Some(0x0A), Some(secret)) => {
                let value = item(KEY_VALUE, STRUCTURE, &item(KEY_MATERIAL, BYTES, &secret));
                item(SECRET_DATA, STRUCTURE, &item(KEY_BLOCK, STRUCTURE, &value))
            }
            // Encrypt: with an IV of its own, and a block of padding.
            (Some(0x1F), Some(key)) => {
                let mut data = masked(find(request, DATA).unwrap_or_default(), &key);
                data.extend([16; 16]);
                [item(DATA, BYTES, &data), item(IV, BYTES, &[7; 16])].concat()
            }
            // Decrypt.
            (Some(0x20), Some(key)) => {
                assert_eq!(find(request, IV), Some(&[7; 16][..]));
                let data = find(request, DATA).unwrap_or_default();
                item(DATA, BYTES, &masked(&data[..data.len() - 16], &key))
            }
            _ => return response(&refusal()),
        };
        let status = item(RESULT_STATUS, ENUMERATION, &0_u32.to_be_bytes());
        response(&[status, item(RESPONSE_PAYLOAD, STRUCTURE, &payload)].concat())
    }
}

fn refusal() -> Vec<u8> {
    [
        item(RESULT_STATUS, ENUMERATION, &1_u32.to_be_bytes()),
        item(RESULT_REASON, ENUMERATION, &ITEM_NOT_FOUND.to_be_bytes()),
        item(RESULT_MESSAGE, TEXT, b"no such object"),
    ]
    .concat()
}

fn response(content: &[u8]) -> Vec<u8> {
    item(RESPONSE_MESSAGE, STRUCTURE, &item(BATCH_ITEM, STRUCTURE, content))
}

/// No cipher, but different for each key.
fn masked(data: &[u8], key: &[u8]) -> Vec<u8> {
    data.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask ^ 0xA5).collect()
}

/// Tag, type, length and value, padded to a multiple of eight bytes.
fn item(tag: u32, kind: u8, value: &[u8]) -> Vec<u8> {
    let mut out = tag.to_be_bytes()[1..].to_vec();
    out.push(kind);
    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn length(head: &[u8]) -> usize {
    usize::try_from(u32::from_be_bytes(head[4..8].try_into().unwrap())).unwrap()
}

/// The value of the first item with this tag, however deep.
fn find(mut bytes: &[u8], wanted: u32) -> Option<&[u8]> {
    while bytes.len() >= 8 {
        let tag = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        let value = bytes.get(8..8 + length(bytes))?;
        if tag == wanted {
            return Some(value);
        }
        if bytes[3] == STRUCTURE
            && let Some(found) = find(value, wanted)
        {
            return Some(found);
        }
        bytes = bytes.get(8 + value.len().next_multiple_of(8)..)?;
    }
    None
}
