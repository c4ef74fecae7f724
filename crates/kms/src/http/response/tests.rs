use proptest::prelude::*;

use super::*;

const PLAIN: &[u8] =
    b"HTTP/1.1 200 OK\r\nX:y\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nhello\r\nA;x=y\r\n, chunks..\r\n0\r\n\r\n";

fn read(bytes: &[u8]) -> Result<HttpParser, HttpError> {
    let mut parser = HttpParser::new();
    parser.feed(bytes)?;
    Ok(parser)
}

fn reason(bytes: &[u8]) -> String {
    read(bytes).err().expect("an error").reason
}

#[test]
fn body_by_length_and_by_chunks() {
    let parser = read(PLAIN).unwrap();
    assert_eq!((parser.status(), parser.body(), parser.wanted()), (200, &b"hello"[..], 0));
    let parser = read(CHUNKED).unwrap();
    assert_eq!((parser.body(), parser.wanted()), (&b"hello, chunks.."[..], 0));
}

#[test]
fn a_reply_without_length_has_no_body() {
    let parser = read(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
    assert_eq!((parser.status(), parser.body(), parser.wanted()), (404, &b""[..], 0));
}

#[test]
fn every_prefix_wants_more_and_every_split_reads_the_same() {
    for reply in [PLAIN, CHUNKED] {
        for at in 0..reply.len() {
            let (start, rest) = reply.split_at(at);
            let mut parser = read(start).unwrap();
            assert!(parser.wanted() > 0, "after {at} bytes");
            parser.feed(rest).unwrap();
            assert_eq!((parser.status(), parser.wanted()), (200, 0));
            assert_eq!(parser.body(), read(reply).unwrap().body());
        }
    }
}

#[test]
fn the_rest_is_known_exactly_once_the_length_is() {
    let head_bytes = PLAIN.len() - 5;
    assert_eq!(read(&PLAIN[..head_bytes - 1]).unwrap().wanted(), 1024);
    assert_eq!(read(&PLAIN[..head_bytes + 2]).unwrap().wanted(), 3);
    let in_chunk = CHUNKED.iter().position(|b| *b == b'h').unwrap();
    assert_eq!(
        read(b"HTTP/1.1 1 \r\nTransfer-Encoding:chunked\r\n\r\n5\r\nhe").unwrap().wanted(),
        5
    );
    assert!(in_chunk > 0);
}

#[test]
fn what_is_no_reply_is_an_error() {
    assert_eq!(reason(b"HTTP/1.0 200 OK\r\n"), "Could not parse HTTP-Version.");
    assert_eq!(reason(b"HTTP/1.1 2x0 OK\r\n"), "Could not parse Status-Code.");
    assert_eq!(reason(b"HTTP/1.1 200 OK\r\nx\r\n"), "Could not parse header, no colon found.");
    for length in ["-1", "x", "16777217", "99999999999999999999"] {
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n");
        assert_eq!(reason(reply.as_bytes()), "Could not parse Content-Length header.");
    }
    assert_eq!(
        reason(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n"),
        "Unsupported Transfer-Encoding: gzip"
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for length in ["", "g", "-1", "+1", "1000001"] {
        assert_eq!(
            reason(format!("{chunked}{length}\r\n").as_bytes()),
            "Failed to parse hex chunk length."
        );
    }
    assert_eq!(reason(format!("{chunked}1\r\naXX").as_bytes()), "Unexpected data after chunk.");
}

#[test]
fn bytes_after_the_end_are_an_error() {
    assert_eq!(reason(&[PLAIN, b"!"].concat()), "Unexpected: exceeded content length");
    assert_eq!(reason(&[CHUNKED, b"!"].concat()), "Unexpected extra HTTP content");
    assert_eq!(reason(b"HTTP/1.1 200 OK\r\n\r\n!"), "Unexpected extra HTTP content");
}

#[test]
fn a_reply_that_never_ends_is_refused() {
    let mut parser = read(b"HTTP/1.1 200 OK\r\n").unwrap();
    let line = [b'a'; 1 << 20];
    let error = (0..17).find_map(|_| parser.feed(&line).err()).unwrap();
    assert_eq!(error.reason, "KMS response too large");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_change_to_a_reply_makes_it_panic(
        at in 0..CHUNKED.len(), byte: u8, cut in 0..CHUNKED.len(),
    ) {
        let mut reply = CHUNKED.to_vec();
        reply[at] = byte;
        reply.truncate(cut);
        let _ = read(&reply);
    }
}
