use bson::raw::RawDocumentBuf;
use bson::rawdoc;
use proptest::prelude::*;

use super::*;

fn parse(document: &RawDocument) -> Collation {
    Collation::parse(document).unwrap().unwrap()
}

fn locale(name: &str) -> Collation {
    parse(&rawdoc! {"locale": name})
}

fn strength(strength: i32) -> Collation {
    parse(&rawdoc! {"locale": "en", "strength": strength})
}

fn code(document: &RawDocument) -> i32 {
    Collation::parse(document).unwrap_err().code()
}

/// Asserts that words ascend, each one strictly, and that their keys do.
fn ascend(collation: &Collation, words: &[&str]) {
    for pair in words.windows(2) {
        assert_eq!(collation.compare(pair[0], pair[1]), Ordering::Less, "{pair:?} {collation:?}");
        assert!(collation.key(pair[0]) < collation.key(pair[1]), "{pair:?} {collation:?}");
    }
}

#[track_caller]
fn equal(collation: &Collation, left: &str, right: &str, expected: bool) {
    let is_equal = collation.compare(left, right) == Ordering::Equal;
    assert_eq!(is_equal, expected, "{left:?} {right:?} {collation:?}");
    assert_eq!(collation.key(left) == collation.key(right), expected, "keys {left:?} {right:?}");
}

#[test]
fn strengths_look_at_letters_accents_case_and_all() {
    for (left, right, first_difference) in [
        ("a", "b", 1),
        ("ß", "s", 1),
        ("ø", "p", 1),
        ("a", "á", 2),
        ("résumé", "Resume", 2),
        ("ø", "o", 2),
        ("ł", "l", 2),
        ("a", "A", 3),
        ("ß", "ss", 2),
        ("æ", "ae", 2),
        ("ﬁ", "fi", 3),
        ("ａ", "a", 3),
        ("あ", "ア", 3),
        ("a\u{200b}", "a", 5),
        ("a\u{0}", "a", 5),
        // The same text in other code points.
        ("é", "e\u{301}", 6),
        ("Å", "\u{212b}", 6),
        ("각", "\u{1100}\u{1161}\u{11a8}", 6),
    ] {
        for level in 1..=5 {
            equal(&strength(level), left, right, level < first_difference);
        }
    }
}

#[test]
fn words_are_in_dictionary_order() {
    let words = [
        "", " y", "_x", "-", ",", "!", "?", ".", "'", "\"", "(", "@", "*", "/", "&", "#", "%", "`",
        "^", "+", "<", "=", ">", "|", "~", "$", "10", "2", "a", "A", "á", "Á", "aa", "Ab", "ae",
        "æ", "b", "B", "cote", "coté", "côte", "côté", "o", "ø", "p", "ss", "ß", "z", "α", "б",
        "א", "ا", "あ", "中",
    ];
    ascend(&locale("en"), &words);
}

#[test]
fn languages_have_an_order_of_their_own() {
    let orders: &[(&str, &[&str])] = &[
        ("sv", &["z", "å", "ä", "ö"]),
        ("fi", &["z", "å", "ä", "ö"]),
        ("da", &["z", "æ", "ø", "å"]),
        ("da", &["ab", "z", "åben", "aabenraa", "åbo"]),
        ("da", &["A", "a", "B", "b"]),
        ("nb", &["z", "æ", "ø", "å"]),
        ("nn", &["z", "æ", "ø", "å"]),
        ("is", &["d", "ð", "e", "z", "þ", "æ", "ö"]),
        ("es", &["n", "nz", "ñ", "o"]),
        ("es", &["ch", "ci", "d"]),
        ("es@collation=traditional", &["cz", "ch", "d", "lz", "ll", "m"]),
        ("de", &["ad", "äd", "af", "az"]),
        ("de@collation=phonebook", &["ad", "ae", "ä", "af"]),
        ("cs", &["c", "č", "d", "h", "ch", "i", "r", "ř", "s", "š", "z", "ž"]),
        ("sk", &["a", "ä", "b", "h", "ch", "i", "o", "ô", "p"]),
        ("pl", &["a", "ą", "b", "l", "ł", "m", "z", "ź", "ż"]),
        ("hu", &["c", "cs", "d", "dz", "dzs", "e", "o", "ö", "p", "z", "zs"]),
        ("et", &["s", "š", "z", "ž", "t", "õ", "ä", "ö", "ü", "x"]),
        ("hr", &["c", "č", "ć", "d", "dž", "đ", "l", "lj", "m", "n", "nj", "o"]),
        ("tr", &["c", "ç", "h", "ı", "I", "i", "İ", "j", "ö", "p", "ş", "t", "ü"]),
        ("lt", &["c", "č", "d", "i", "z", "ž"]),
        ("lv", &["g", "ģ", "h", "k", "ķ", "l"]),
        ("ro", &["a", "ă", "â", "b", "s", "ș", "t", "ț"]),
        ("cy", &["c", "ch", "d", "dd", "e", "l", "ll", "m"]),
        ("vi", &["a", "ă", "â", "b", "d", "đ", "e", "ê"]),
        // Their own script comes first.
        ("ru", &["а", "я", "a", "z"]),
        ("el", &["α", "ω", "a", "z"]),
        ("uk", &["г", "ґ", "д"]),
        ("ja", &["あ", "ア", "い", "イ"]),
        ("ja", &["亜", "唖", "一"]),
        ("zh", &["阿", "八", "中"]),
        ("zh_Hant", &["一", "丁", "七", "三"]),
        ("ko", &["가", "나", "하"]),
        ("th", &["กา", "เก", "ขา"]),
        ("fr", &["cote", "coté", "côte", "côté"]),
        ("fr_CA", &["cote", "côte", "coté", "côté"]),
    ];
    for (name, words) in orders {
        let collation = match *name {
            // Kana differ in a level of their own.
            "ja" => parse(&rawdoc! {"locale": "ja", "strength": 4}),
            name => locale(name),
        };
        ascend(&collation, words);
    }
    equal(&parse(&rawdoc! {"locale": "da", "strength": 1}), "aa", "å", true);
    equal(&parse(&rawdoc! {"locale": "sv", "strength": 1}), "a", "å", false);
    equal(&parse(&rawdoc! {"locale": "de", "strength": 1}), "a", "ä", true);
    equal(&locale("ja"), "あ", "ア", true);
}

#[test]
fn accents_can_be_looked_at_from_the_end() {
    let backwards = |name, on: bool| parse(&rawdoc! {"locale": name, "backwards": on});
    ascend(&backwards("fr", true), &["cote", "côte", "coté", "côté"]);
    ascend(&backwards("fr_CA", false), &["cote", "coté", "côte", "côté"]);
    assert_eq!(code(&rawdoc! {"locale": "sv", "backwards": true}), 238);
}

#[test]
fn digits_can_compare_as_numbers() {
    let numeric = parse(&rawdoc! {"locale": "en", "numericOrdering": true});
    ascend(&numeric, &["a2", "a9b", "a9c", "a10", "a010b", "a100"]);
    ascend(&locale("en"), &["a10", "a2"]);
    equal(&numeric, "a010", "a10", true);
}

#[test]
fn case_can_be_a_level_and_come_first() {
    let upper = parse(&rawdoc! {"locale": "en", "caseFirst": "upper"});
    ascend(&upper, &["A", "a", "AB", "Ab", "aB", "ab"]);
    ascend(&locale("en"), &["a", "A", "ab", "aB", "Ab", "AB"]);
    let lower = parse(&rawdoc! {"locale": "da", "caseFirst": "off"});
    ascend(&lower, &["a", "A"]);
    let case_only = parse(&rawdoc! {"locale": "en", "strength": 1, "caseLevel": true});
    equal(&case_only, "role", "rôle", true);
    equal(&case_only, "role", "Role", false);
}

#[test]
fn punctuation_can_be_shifted() {
    let shifted = |strength: i32, most: &str| {
        parse(&rawdoc! {
            "locale": "en", "alternate": "shifted", "strength": strength, "maxVariable": most,
        })
    };
    for level in 1..=3 {
        equal(&shifted(level, "punct"), "black-bird", "blackbird", true);
        equal(&shifted(level, "punct"), "black bird", "blackbird", true);
        equal(&shifted(level, "space"), "black-bird", "blackbird", false);
        equal(&shifted(level, "space"), "black bird", "blackbird", true);
        equal(&shifted(level, "punct"), "a$", "a", false);
    }
    ascend(&shifted(4, "punct"), &["black bird", "black-bird", "blackbird", "blackbirds"]);
    // Thai shifts of itself.
    equal(&locale("th"), "ก-ก", "กก", true);
}

#[test]
fn all_options_are_shown() {
    let shown = parse(&rawdoc! {"strength": 2.0, "locale": "fr_CA"}).to_document();
    let expected = rawdoc! {
        "locale": "fr_CA", "caseLevel": false, "caseFirst": "off", "strength": 2,
        "numericOrdering": false, "alternate": "non-ignorable", "maxVariable": "punct",
        "normalization": false, "backwards": true, "version": "57.1",
    };
    assert_eq!(shown, expected);
    for name in ["en", "da", "th", "fr_CA", "mt", "ja"] {
        let collation = locale(name);
        assert_eq!(parse(&collation.to_document()), collation, "{name}");
    }
    assert_eq!(locale("da").to_document().get_str("caseFirst").unwrap(), "upper");
    assert_eq!(locale("th").to_document().get_str("alternate").unwrap(), "shifted");
    assert_ne!(locale("en"), parse(&rawdoc! {"locale": "en", "normalization": true}));
    assert_ne!(locale("en"), locale("en_US"));
}

#[test]
fn faults_have_their_codes() {
    assert_eq!(Collation::parse(&rawdoc! {"locale": "simple"}).unwrap(), None);
    assert_eq!(code(&rawdoc! {}), 40414);
    assert_eq!(code(&rawdoc! {"locale": "en", "x": 9}), 40415);
    for fault in [
        rawdoc! {"locale": "en", "strength": 9},
        rawdoc! {"locale": "en", "strength": "1"},
        rawdoc! {"locale": "en", "caseFirst": "UPPER"},
        rawdoc! {"locale": "en", "backwards": 1},
        rawdoc! {"locale": 1},
        rawdoc! {"locale": ""},
        rawdoc! {"locale": "xx"},
        rawdoc! {"locale": "en_GB"},
        rawdoc! {"locale": "en-US"},
        rawdoc! {"locale": "sv@collation=phonebook"},
    ] {
        assert_eq!(code(&fault), 2, "{fault:?}");
    }
    for lacking in ["se", "fa_AF", "de@collation=search", "zh@collation=big5han"] {
        assert_eq!(code(&rawdoc! {"locale": lacking}), 238, "{lacking}");
    }
    let error = Collation::parse(&rawdoc! {"locale": "en_GB"}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Field 'locale' is invalid in: { locale: \"en_GB\" }. Did you mean 'en'?"
    );
}

#[test]
fn names_of_earlier_versions_are_renamed() {
    for (old, new) in [
        ("en_GB", "en"),
        ("de-CH", "de"),
        ("xh_ZA", "en"),
        ("fr_CA", "fr_CA"),
        ("simple", "simple"),
        ("sv", "sv"),
    ] {
        assert_eq!(Collation::known_locale(old), new);
    }
}

/// If this fails, the order has changed, as it does with new data: count [`ORDER_VERSION`] up, so
/// that stores build their indexes anew, and put the new sum here.
#[test]
fn the_order_is_the_one_of_its_version() {
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |collation: &Collation, text: &str| {
        for byte in collation.key(text).into_iter().chain([0]) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let options: [RawDocumentBuf; 4] = [
        rawdoc! {"locale": "en", "strength": 5},
        rawdoc! {"locale": "en", "strength": 4, "alternate": "shifted"},
        rawdoc! {"locale": "fr_CA", "caseLevel": true},
        rawdoc! {"locale": "en", "caseFirst": "upper", "numericOrdering": true},
    ];
    for options in &options {
        let collation = parse(options);
        for letter in (1..0x3_0000).step_by(31).filter_map(char::from_u32) {
            add(&collation, &format!("a{letter}B\u{301}{letter}"));
        }
    }
    for name in locales::names() {
        let Ok(Some(collation)) = Collation::parse(&rawdoc! {"locale": name.as_str()}) else {
            continue;
        };
        for letter in ('a'..='\u{1fff}').step_by(17).chain(['あ', '中', '七', '각']) {
            add(&collation, &format!("{letter}h{letter}\u{308}"));
        }
    }
    assert_eq!((ORDER_VERSION, sum), (1, 6_098_856_518_653_980_716));
}

/// Letters, marks and controls of many scripts; few, so that strings are often nearly equal.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        4 => prop::sample::select("aAbcChHnNsSzZåäöÅñßæøłıİiIdDžlLjJ".chars().collect::<Vec<_>>()),
        2 => prop::sample::select("0129 -_.,$'\u{0}\u{1}\u{200b}\u{ad}\u{fffe}\u{ffff}\u{feff}"
            .chars().collect::<Vec<_>>()),
        2 => prop::sample::select("\u{300}\u{301}\u{302}\u{307}\u{308}\u{323}\u{327}\u{328}\u{345}\u{34f}\u{5b0}\u{64e}\u{93c}\u{e31}\u{e40}\u{3099}\u{1161}\u{11a8}"
            .chars().collect::<Vec<_>>()),
        2 => prop::sample::select("αωбЯאבابपकกขあアァーｱ中一丁七가각\u{1100}😀𝐀ﬁﷺ\u{fdd0}٣३".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    prop::collection::vec(letter, 0..8).prop_map(String::from_iter)
}

fn any_collation() -> impl Strategy<Value = Collation> {
    let numbers = (1..=5_i32, 0..3_usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (any::<prop::sample::Index>(), numbers, flags).prop_map(|(locale, (strength, first), flags)| {
        let (case_level, numeric, shifted, space) = flags;
        let names: Vec<String> = locales::names().collect();
        let name = locale.get(&names);
        let case_first = ["off", "upper", "lower"][first];
        let is_there = Collation::parse(&rawdoc! {"locale": name.as_str()}).is_ok();
        parse(&rawdoc! {
            "locale": if is_there { name.as_str() } else { "en" },
            "strength": strength,
            "caseLevel": case_level,
            "caseFirst": case_first,
            "numericOrdering": numeric,
            "alternate": if shifted { "shifted" } else { "non-ignorable" },
            "maxVariable": if space { "space" } else { "punct" },
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn keys_order_as_comparing_does(
        collation in any_collation(),
        texts in prop::collection::vec(text(), 2..6),
    ) {
        for left in &texts {
            for right in &texts {
                prop_assert_eq!(
                    collation.compare(left, right),
                    collation.key(left).cmp(&collation.key(right)),
                    "{:?} {:?} {:?}", left, right, collation
                );
            }
        }
    }

    #[test]
    fn comparing_is_an_order(collation in any_collation(), a in text(), b in text(), c in text()) {
        prop_assert_eq!(collation.compare(&a, &b), collation.compare(&b, &a).reverse());
        prop_assert_eq!(collation.compare(&a, &a), Ordering::Equal);
        let mut sorted = [&a, &b, &c];
        sorted.sort_by(|left, right| collation.compare(left, right));
        prop_assert_ne!(collation.compare(sorted[0], sorted[2]), Ordering::Greater);
    }
}
