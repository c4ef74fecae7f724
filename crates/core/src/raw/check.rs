//! A checked walk that collects nothing.

use std::ops::Range;

use super::{Element, MAX_DEPTH, MalformedBson, body, kind, split_element};

/// Checks all of `document`: every length and terminator, to its depth.
///
/// # Errors
/// `MalformedBson`, also if documents nest deeper than [`MAX_DEPTH`].
pub(crate) fn check(document: &[u8]) -> Result<(), MalformedBson> {
    check_each(document, |_, _| ())
}

/// [`check`], which shows the elements of the document itself, each with the place where it stands.
pub(crate) fn check_each<'a>(
    document: &'a [u8],
    mut look: impl FnMut(Element<'a>, Range<usize>),
) -> Result<(), MalformedBson> {
    let mut rest = body(document)?;
    let end = document.len() - 1;
    while !rest.is_empty() {
        let at = end - rest.len();
        let (element, after) = split_element(rest).ok_or(MalformedBson)?;
        check_nested(&element, 1).ok_or(MalformedBson)?;
        rest = after;
        look(element, at..end - rest.len());
    }
    Ok(())
}

/// Checks what is inside an element whose frame has been checked.
#[inline]
fn check_nested(element: &Element<'_>, depth: usize) -> Option<()> {
    match element.kind {
        kind::DOCUMENT | kind::ARRAY => {
            check_elements(element.value.get(4..element.value.len() - 1)?, depth)
        }
        _ => Some(()),
    }
}

fn check_elements(mut rest: &[u8], depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    while !rest.is_empty() {
        let (element, after) = split_element(rest)?;
        check_nested(&element, depth + 1)?;
        rest = after;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;
    use crate::raw::scan;

    #[test]
    fn nesting_beyond_the_limit_is_refused_by_a_check_and_by_a_scan() {
        let nested = |levels: usize| {
            let mut document = rawdoc! {};
            for _ in 0..levels {
                document = rawdoc! { "a": document };
            }
            document
        };
        let (deepest, deeper) = (nested(MAX_DEPTH), nested(MAX_DEPTH + 1));
        assert!(check(deepest.as_bytes()).is_ok());
        assert!(scan(deepest.as_bytes(), |_| true).is_ok());
        assert!(check(deeper.as_bytes()).is_err());
        assert!(scan(deeper.as_bytes(), |_| true).is_err());
    }

    #[test]
    fn elements_are_shown_where_they_stand() {
        let document = rawdoc! { "a": { "b": 1 }, "c": "x" };
        let mut shown = Vec::new();
        check_each(document.as_bytes(), |element, place| shown.push((element.name, place)))
            .unwrap();
        assert_eq!(shown, [(&b"a"[..], 4..19), (&b"c"[..], 19..28)]);
        assert_eq!(document.as_bytes()[19], kind::STRING);
    }

    proptest! {
        #[test]
        fn it_refuses_what_a_scan_refuses(at in 0usize..100, byte: u8) {
            let mut bytes = rawdoc! {
                "a": 7_i64, "b": { "c": ["x", 1.5, true, {}] }, "d": bson::DateTime::MAX, "e": [],
            }.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            prop_assert_eq!(check(&bytes), scan(&bytes, |_| false).map(|_| ()));
        }
    }
}
