//! The names of locales that a collation may have, and what orders their strings.
//!
//! Source: MongoDB manual, "Collation Locales and Default Parameters" (ICU 57.1).

use icu_collator::CollatorPreferences;
use icu_locale_core::Locale;

/// A locale by MongoDB's name of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    /// `de_AT` of `de_AT@collation=phonebook`.
    pub(super) base: &'static str,
    /// `phonebook` of `de_AT@collation=phonebook`.
    variant: Option<&'static str>,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A locale of MongoDB's.
    Named(Named),
    /// None; what it begins with is one.
    Similar(&'static str),
    /// None.
    Unknown,
}

/// Each locale, and the variants of its order.
const LOCALES: &[(&str, &[&str])] = &[
    ("af", &[]),
    ("am", &[]),
    ("ar", &["compat"]),
    ("as", &[]),
    ("az", &["search"]),
    ("be", &[]),
    ("bg", &[]),
    ("bn", &[]),
    ("bo", &[]),
    ("bs", &["search"]),
    ("bs_Cyrl", &[]),
    ("ca", &["search"]),
    ("chr", &[]),
    ("cs", &["search"]),
    ("cy", &[]),
    ("da", &["search"]),
    ("de", &["search", "eor", "phonebook"]),
    ("de_AT", &["phonebook"]),
    ("dsb", &[]),
    ("dz", &[]),
    ("ee", &[]),
    ("el", &[]),
    ("en", &[]),
    ("en_US", &[]),
    ("en_US_POSIX", &[]),
    ("eo", &["search"]),
    ("es", &["search", "traditional"]),
    ("et", &[]),
    ("fa", &[]),
    ("fa_AF", &[]),
    ("fi", &["search", "traditional"]),
    ("fil", &[]),
    ("fo", &[]),
    ("fr", &[]),
    ("fr_CA", &[]),
    ("ga", &[]),
    ("gl", &["search"]),
    ("gu", &[]),
    ("ha", &[]),
    ("haw", &[]),
    ("he", &["search"]),
    ("hi", &[]),
    ("hr", &["search"]),
    ("hsb", &[]),
    ("hu", &[]),
    ("hy", &[]),
    ("id", &[]),
    ("ig", &[]),
    ("is", &["search"]),
    ("it", &[]),
    ("ja", &["unihan"]),
    ("ka", &[]),
    ("kk", &[]),
    ("kl", &["search"]),
    ("km", &[]),
    ("kn", &["traditional"]),
    ("ko", &["search", "searchjl", "unihan"]),
    ("kok", &[]),
    ("ky", &[]),
    ("lb", &[]),
    ("lkt", &[]),
    ("ln", &["phonetic"]),
    ("lo", &[]),
    ("lt", &[]),
    ("lv", &[]),
    ("mk", &[]),
    ("ml", &[]),
    ("mn", &[]),
    ("mr", &[]),
    ("ms", &[]),
    ("mt", &[]),
    ("my", &[]),
    ("nb", &["search"]),
    ("ne", &[]),
    ("nl", &[]),
    ("nn", &["search"]),
    ("om", &[]),
    ("or", &[]),
    ("pa", &[]),
    ("pl", &[]),
    ("ps", &[]),
    ("pt", &[]),
    ("ro", &[]),
    ("ru", &[]),
    ("se", &["search"]),
    ("si", &["dictionary"]),
    ("sk", &["search"]),
    ("sl", &[]),
    ("smn", &["search"]),
    ("sq", &[]),
    ("sr", &[]),
    ("sr_Latn", &["search"]),
    ("sv", &["search"]),
    ("sw", &[]),
    ("ta", &[]),
    ("te", &[]),
    ("th", &[]),
    ("to", &[]),
    ("tr", &["search"]),
    ("ug", &[]),
    ("uk", &[]),
    ("ur", &[]),
    ("vi", &["traditional"]),
    ("wae", &[]),
    ("yi", &["search"]),
    ("yo", &[]),
    ("zh", &["big5han", "gb2312han", "unihan", "zhuyin"]),
    ("zh_Hant", &["big5han", "gb2312han", "unihan", "zhuyin"]),
    ("zu", &[]),
];

/// Locales whose own order the library's data does not have; it would give them the root's.
const WITHOUT_DATA: &[&str] =
    &["bo", "dz", "fa_AF", "haw", "kl", "lkt", "ln", "se", "smn", "wae", "yi"];

/// Locales that have the root's order.
const ROOT: &[&str] = &[
    "ca", "de", "de_AT", "en", "en_US", "fr", "fr_CA", "ga", "id", "it", "lb", "ms", "nl", "pt",
    "sw", "zu",
];

/// Looks a name up.
pub(super) fn find(name: &str) -> Found {
    let (base, variant) = match name.split_once("@collation=") {
        Some((base, variant)) => (base, Some(variant)),
        None => (name, None),
    };
    let Some((base, variants)) = listed(base) else {
        let language = base.split(['_', '-', '@']).next().unwrap_or_default();
        return listed(language).map_or(Found::Unknown, |(language, _)| Found::Similar(language));
    };
    match variant {
        None => Found::Named(Named { base, variant: None }),
        Some(wanted) => match variants.iter().find(|variant| **variant == wanted) {
            Some(variant) => Found::Named(Named { base, variant: Some(*variant) }),
            None => Found::Similar(base),
        },
    }
}

fn listed(base: &str) -> Option<(&'static str, &'static [&'static str])> {
    LOCALES.iter().find(|(listed, _)| *listed == base).copied()
}

impl Named {
    /// Whether accents may be compared from the end of a word on.
    pub(super) fn has_root_order(self) -> bool {
        self.variant.is_none() && ROOT.contains(&self.base)
    }

    /// What the library knows the order by; `None` if it does not have that order.
    pub(super) fn preferences(self) -> Option<CollatorPreferences> {
        if WITHOUT_DATA.contains(&self.base) {
            return None;
        }
        let tag = self.base.replace('_', "-");
        let tag = match self.variant {
            None => tag,
            // The data has the German phone book, and not the Austrian one.
            Some(_) if self.base == "de_AT" => return None,
            Some(variant) => format!("{tag}-u-co-{}", kind(variant)?),
        };
        let locale: Locale = tag.parse().ok()?;
        Some(CollatorPreferences::from(&locale))
    }
}

/// A variant as Unicode names it; `None` if the library's data does not have it.
fn kind(variant: &str) -> Option<&'static str> {
    Some(match variant {
        "compat" => "compat",
        "dictionary" => "dict",
        "eor" => "eor",
        "phonebook" => "phonebk",
        "traditional" => "trad",
        "unihan" => "unihan",
        "zhuyin" => "zhuyin",
        _ => return None,
    })
}

/// All names.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = String> {
    LOCALES.iter().flat_map(|(base, variants)| {
        let with_variant =
            variants.iter().map(move |variant| format!("{base}@collation={variant}"));
        std::iter::once((*base).to_owned()).chain(with_variant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_they_are_written() {
        let named = |base, variant| Found::Named(Named { base, variant });
        assert_eq!(find("de"), named("de", None));
        assert_eq!(find("de@collation=phonebook"), named("de", Some("phonebook")));
        assert_eq!(find("en_GB"), Found::Similar("en"));
        assert_eq!(find("en-US"), Found::Similar("en"));
        assert_eq!(find("en@collation=phonebook"), Found::Similar("en"));
        assert_eq!(find("de@calendar=gregorian"), Found::Similar("de"));
        for unknown in ["", "xx", "DE", "root", "xx_US", "@collation=search"] {
            assert_eq!(find(unknown), Found::Unknown, "{unknown}");
        }
    }

    #[test]
    fn every_locale_has_an_order_or_is_known_to_lack_one() {
        for (base, variants) in LOCALES {
            let own = Named { base, variant: None };
            assert_eq!(own.preferences().is_none(), WITHOUT_DATA.contains(base), "{base}");
            for variant in *variants {
                let preferences = Named { base, variant: Some(*variant) }.preferences();
                let is_there = kind(variant).is_some() && *base != "de_AT";
                assert_eq!(preferences.is_some(), is_there, "{base} {variant}");
            }
        }
    }
}
