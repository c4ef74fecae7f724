//! The tokens of many values at once: the edges of a range, the pieces of a string.
#![expect(clippy::indexing_slicing, reason = "indices are those of the messages")]

use zeroize::Zeroize;

use super::{
    EdcDerivedFromDataToken, EdcDerivedFromDataTokenAndContentionFactor, EscDerivedFromDataToken,
    EscDerivedFromDataTokenAndContentionFactor, IndexTokens, ServerDerivedFromDataToken, TOKEN_LEN,
    TextIndex, Token,
};
use crate::hmac::HmacSha256;

/// By which a value is found.
#[derive(Debug)]
pub struct FindTokens {
    /// Of the data collection.
    pub edc: EdcDerivedFromDataToken,
    /// Of the state collection.
    pub esc: EscDerivedFromDataToken,
    /// Of the server's own layer.
    pub server: ServerDerivedFromDataToken,
}

/// By which a value is stored.
#[derive(Debug)]
pub struct InsertTokens {
    /// Of the data collection.
    pub edc: EdcDerivedFromDataTokenAndContentionFactor,
    /// Of the state collection.
    pub esc: EscDerivedFromDataTokenAndContentionFactor,
    /// Of the server's own layer.
    pub server: ServerDerivedFromDataToken,
}

impl IndexTokens {
    /// The tokens to look for each of `values`; `text` names the text index that they are pieces of.
    ///
    /// The same as [`EdcToken::derived_from_data`](super::EdcToken::derived_from_data) and its
    /// siblings give for each value, but computed side by side.
    pub fn find_tokens(&self, text: Option<TextIndex>, values: &[&[u8]]) -> Vec<FindTokens> {
        let mut digests = self.derived_from_data(text, values);
        let tokens = digests
            .as_chunks()
            .0
            .iter()
            .map(|[edc, esc, server]| FindTokens {
                edc: EdcDerivedFromDataToken(edc.into()),
                esc: EscDerivedFromDataToken(esc.into()),
                server: ServerDerivedFromDataToken(server.into()),
            })
            .collect();
        digests.zeroize();
        tokens
    }

    /// The tokens to store each of `values` with a contention factor.
    pub fn insert_tokens(
        &self,
        text: Option<TextIndex>,
        values: &[&[u8]],
        factor: u64,
    ) -> Vec<InsertTokens> {
        let mut digests = self.derived_from_data(text, values);
        let (sets, _) = digests.as_chunks::<3>();
        let mut tokens: Vec<_> = sets.iter().flat_map(|[edc, esc, _]| [*edc, *esc]).collect();
        let keys = HmacSha256::new_each(&tokens);
        let factor = factor.to_le_bytes();
        HmacSha256::mac_each(|index| (&keys[index], &factor), &mut tokens);
        let inserted = tokens
            .as_chunks()
            .0
            .iter()
            .zip(sets)
            .map(|([edc, esc], [_, _, server])| InsertTokens {
                edc: EdcDerivedFromDataTokenAndContentionFactor(edc.into()),
                esc: EscDerivedFromDataTokenAndContentionFactor(esc.into()),
                server: ServerDerivedFromDataToken(server.into()),
            })
            .collect();
        tokens.zeroize();
        digests.zeroize();
        inserted
    }

    /// Three digests for each value: under EDC, ESC and the server's token.
    fn derived_from_data(&self, text: Option<TextIndex>, values: &[&[u8]]) -> Vec<[u8; TOKEN_LEN]> {
        if values.is_empty() {
            // Not even the tokens above them are needed.
            return Vec::new();
        }
        let top = [&self.edc.0, &self.esc.0, &self.server_derivation.0];
        let below = text.map(|text| top.map(|token| token.derive_number(text as u64)));
        let roots: [&Token; 3] = below.as_ref().map_or(top, <[Token; 3]>::each_ref);
        let keys = roots.map(Token::keyed);
        let mut digests = vec![[0; TOKEN_LEN]; 3 * values.len()];
        HmacSha256::mac_each(|index| (keys[index % 3], values[index / 3]), &mut digests);
        digests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_those_derived_one_by_one() {
        let top = IndexTokens::derive(&[9; TOKEN_LEN]);
        let data: Vec<Vec<u8>> = (0..70).map(|length| vec![length as u8; length]).collect();
        let values: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        for text in [None, Some(TextIndex::Suffix)] {
            let (find, insert) =
                (top.find_tokens(text, &values), top.insert_tokens(text, &values, 7));
            assert_eq!((find.len(), insert.len()), (values.len(), values.len()));
            for ((data, find), insert) in values.iter().zip(find).zip(insert) {
                let (edc, esc, server) = match text {
                    None => (
                        top.edc.derived_from_data(data),
                        top.esc.derived_from_data(data),
                        top.server_derivation.derived_from_data(data),
                    ),
                    Some(text) => (
                        top.edc.text(text).derived_from_data(data),
                        top.esc.text(text).derived_from_data(data),
                        top.server_derivation.text(text).derived_from_data(data),
                    ),
                };
                assert_eq!(find.edc.as_bytes(), edc.as_bytes());
                assert_eq!(find.esc.as_bytes(), esc.as_bytes());
                assert_eq!(find.server.as_bytes(), server.as_bytes());
                assert_eq!(insert.edc.as_bytes(), edc.and_contention_factor(7).as_bytes());
                assert_eq!(insert.esc.as_bytes(), esc.and_contention_factor(7).as_bytes());
                assert_eq!(insert.server.as_bytes(), server.as_bytes());
            }
        }
    }
}
