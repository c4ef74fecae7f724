//! MongoDB's regular expressions on the `regex` crate.
//!
//! Patterns are PCRE's. What differs in spelling is translated: classes such as `\d` mean ASCII,
//! `$` also matches before a last line feed, a `{` that starts no repetition is a letter.
//!
//! Look-ahead right after a `^` at the beginning needs no backtracking: all of it looks at the
//! beginning of the text, so each is an expression of its own there. Other look-around and back
//! references do not exist here and are refused by name.

use std::ops::Range;

use fieldveil_query::QueryError;

/// A compiled pattern. What it does takes linear time.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: String,
    /// What has to be found, or not, at the beginning of the text.
    ahead: Vec<Ahead>,
    main: regex::Regex,
}

#[derive(Clone, Debug)]
struct Ahead {
    is_wanted: bool,
    regex: regex::Regex,
}

/// Where a match and its groups lie, the whole of it first; `None` for a group that took no part.
pub type Groups = Vec<Option<Range<usize>>>;

impl Regex {
    /// Whether the pattern is found in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.ahead.iter().all(|ahead| ahead.regex.is_match(text) == ahead.is_wanted)
            && self.main.is_match(text)
    }

    /// The first match.
    pub fn find(&self, text: &str) -> Option<Groups> {
        self.find_all(text).next()
    }

    /// Every match.
    pub fn find_all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Groups> + 'a {
        let groups_ahead = self.groups_ahead(text);
        groups_ahead.into_iter().flat_map(move |ahead| {
            self.main.captures_iter(text).map(move |found| {
                let mut groups = groups(&found);
                groups.splice(1..1, ahead.iter().cloned());
                groups
            })
        })
    }

    /// The groups of what comes before the rest; nothing if that does not hold.
    fn groups_ahead(&self, text: &str) -> Option<Groups> {
        let mut all = Groups::new();
        for ahead in &self.ahead {
            match (ahead.regex.captures(text), ahead.is_wanted) {
                (Some(found), true) => all.extend(groups(&found).into_iter().skip(1)),
                (None, false) => {
                    all.extend(std::iter::repeat_n(None, ahead.regex.captures_len() - 1));
                }
                _ => return None,
            }
        }
        Some(all)
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

fn groups(found: &regex::Captures<'_>) -> Groups {
    found.iter().map(|group| group.map(|group| group.range())).collect()
}

/// Compiles a pattern with the option letters `imsxu`.
///
/// # Errors
/// 51091 with the reason.
pub fn compile(pattern: &str, options: &str) -> Result<Regex, QueryError> {
    let mut flags = String::new();
    for letter in options.chars() {
        match letter {
            'i' | 'm' | 's' | 'x' => flags.push(letter),
            'u' => {}
            _ => {
                return Err(QueryError::new(
                    51108,
                    format!("invalid flag in regex options: {letter}"),
                ));
            }
        }
    }
    let (ahead, rest) = match split_ahead(pattern, &flags) {
        Some((inline, ahead, rest)) => {
            flags.push_str(inline);
            (ahead, format!("^{rest}"))
        }
        None => (Vec::new(), pattern.to_owned()),
    };
    let ahead = ahead
        .into_iter()
        .map(|(is_wanted, body)| {
            let regex = linear(&format!("^(?:{body})"), &flags)?;
            Ok(Ahead { is_wanted, regex })
        })
        .collect::<Result<_, QueryError>>()?;
    Ok(Regex { pattern: pattern.to_owned(), ahead, main: linear(&rest, &flags)? })
}

fn linear(pattern: &str, flags: &str) -> Result<regex::Regex, QueryError> {
    let body = Translator { multiline: flags.contains('m'), out: String::new() }.run(pattern)?;
    let full = if flags.is_empty() { body } else { format!("(?{flags}){body}") };
    regex::Regex::new(&full).map_err(|_| {
        QueryError::new(
            51091,
            "Regular expression is invalid or has a construct that is not supported",
        )
    })
}

/// Inline flags, look-ahead with whether it is wanted, and what follows.
type Split<'a> = (&'a str, Vec<(bool, &'a str)>, &'a str);

/// Takes the look-ahead after a leading `^` apart, if there is any and it can be.
fn split_ahead<'a>(pattern: &'a str, flags: &str) -> Option<Split<'a>> {
    let (inline, mut rest) = match pattern.strip_prefix("(?").and_then(|it| it.split_once(')')) {
        Some((inline, rest)) if inline.bytes().all(|flag| matches!(flag, b'i' | b's')) => {
            (inline, rest)
        }
        _ => ("", pattern),
    };
    if flags.contains(['m', 'x']) {
        return None;
    }
    rest = rest.strip_prefix('^')?;
    let mut ahead = Vec::new();
    loop {
        let (is_wanted, body) = match (rest.strip_prefix("(?="), rest.strip_prefix("(?!")) {
            (Some(body), _) => (true, body),
            (_, Some(body)) => (false, body),
            (None, None) => break,
        };
        let end = end_of_group(body)?;
        ahead.push((is_wanted, body.get(..end)?));
        rest = body.get(end + 1..)?;
    }
    // A quantifier would be one of the look-ahead, and of an alternative it would be a part.
    let is_apart = !rest.starts_with(['*', '+', '?', '{']) && !has_alternatives(rest);
    (!ahead.is_empty() && is_apart).then_some((inline, ahead, rest))
}

/// Where the group that a pattern begins in the middle of is closed.
fn end_of_group(pattern: &str) -> Option<usize> {
    structure(pattern).find(|(_, letter, depth)| *letter == ')' && *depth < 0).map(|it| it.0)
}

fn has_alternatives(pattern: &str) -> bool {
    structure(pattern).any(|(_, letter, depth)| letter == '|' && depth == 0)
}

/// The parentheses and bars of a pattern that stand for what they are: where each is, and the depth
/// after it.
fn structure(pattern: &str) -> impl Iterator<Item = (usize, char, i32)> + '_ {
    let mut letters = pattern.char_indices().peekable();
    let mut depth = 0;
    let mut class_at = None;
    std::iter::from_fn(move || {
        while let Some((at, letter)) = letters.next() {
            match (letter, class_at) {
                ('\\', None) if letters.next_if(|next| next.1 == 'Q').is_some() => {
                    while let Some((at, _)) = letters.next() {
                        if pattern.get(at..).is_some_and(|rest| rest.starts_with(r"\E")) {
                            letters.next();
                            break;
                        }
                    }
                }
                ('\\', _) => {
                    letters.next();
                }
                ('[', None) => {
                    letters.next_if(|next| next.1 == '^');
                    // A first `]` is a letter.
                    letters.next_if(|next| next.1 == ']');
                    class_at = Some(at);
                }
                ('[', Some(_)) if letters.next_if(|next| next.1 == ':').is_some() => {
                    // The name of a class ends with a bracket of its own.
                    for (_, letter) in letters.by_ref() {
                        if letter == ']' {
                            break;
                        }
                    }
                }
                (']', Some(_)) => class_at = None,
                ('(', None) => {
                    depth += 1;
                    return Some((at, letter, depth));
                }
                (')', None) => {
                    depth -= 1;
                    return Some((at, letter, depth));
                }
                ('|', None) => return Some((at, letter, depth)),
                _ => {}
            }
        }
        None
    })
}

struct Translator {
    multiline: bool,
    out: String,
}

impl Translator {
    fn run(mut self, pattern: &str) -> Result<String, QueryError> {
        let letters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let (mut is_repeated, mut is_counting) = (false, false);
        while let Some(&letter) = letters.get(at) {
            let rest = letters.get(at + 1..).unwrap_or_default();
            if letter == '+' && is_repeated {
                return Err(refused("possessive quantifiers"));
            }
            is_repeated = match letter {
                '*' | '+' | '?' => !is_repeated && !self.out.ends_with('('),
                '}' => std::mem::take(&mut is_counting),
                _ => false,
            };
            is_counting |= letter == '{' && starts_repetition(rest);
            at += match letter {
                '\\' => self.escape(rest, false)?,
                '[' => self.class(rest)?,
                '$' if !self.multiline => {
                    self.out.push_str(if rest.is_empty() { r"\n?\z" } else { "$" });
                    1
                }
                '{' if !starts_repetition(rest) => {
                    self.out.push_str(r"\{");
                    1
                }
                '(' => self.group(rest)?,
                other => {
                    self.out.push(other);
                    1
                }
            };
        }
        Ok(self.out)
    }

    /// After a backslash; the number of letters used, the backslash among them.
    fn escape(&mut self, rest: &[char], in_class: bool) -> Result<usize, QueryError> {
        let Some(&letter) = rest.first() else {
            return Err(QueryError::new(
                51091,
                "Regular expression is invalid: \\ at end of pattern",
            ));
        };
        let text = match letter {
            'd' if in_class => "0-9",
            'w' if in_class => "0-9A-Za-z_",
            's' if in_class => r"\t\n\x0B\x0C\r\x20",
            'd' => "[0-9]",
            'w' => "[0-9A-Za-z_]",
            's' => r"[\t\n\x0B\x0C\r\x20]",
            'D' => "[^0-9]",
            'W' => "[^0-9A-Za-z_]",
            'S' => r"[^\t\n\x0B\x0C\r\x20]",
            'h' if in_class => r"\t\x20",
            'h' => r"[\t\x20]",
            'b' if in_class => r"\x08",
            'b' => r"(?-u:\b)",
            'B' => r"(?-u:\B)",
            'Z' => r"\n?\z",
            'e' => r"\x1B",
            'Q' if !in_class => return Ok(self.quoted(rest)),
            'E' => return Ok(2),
            '0'..='9' => {
                if letter != '0' && !in_class {
                    return Err(refused("back references"));
                }
                return Ok(self.octal(rest));
            }
            'k' | 'g' => return Err(refused("back references")),
            'K' | 'G' | 'R' | 'X' | 'C' => return Err(refused(&format!("\\{letter}"))),
            other if other.is_ascii_alphanumeric() => {
                self.out.push('\\');
                self.out.push(other);
                return Ok(2);
            }
            other => {
                self.out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4])));
                return Ok(2);
            }
        };
        self.out.push_str(text);
        Ok(2)
    }

    fn octal(&mut self, rest: &[char]) -> usize {
        let digits: String = rest.iter().take(3).take_while(|c| c.is_digit(8)).collect();
        let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
        self.out.push_str(&format!(r"\x{{{code:X}}}"));
        1 + digits.len().max(1)
    }

    /// `\Q...\E`: letters as such.
    fn quoted(&mut self, rest: &[char]) -> usize {
        let text: String = rest.iter().skip(1).collect();
        let (inside, closing) = match text.find(r"\E") {
            Some(end) => (text.get(..end).unwrap_or_default(), 2),
            None => (text.as_str(), 0),
        };
        self.out.push_str(&regex::escape(inside));
        2 + inside.chars().count() + closing
    }

    /// After `[`; a nested `[` is a letter, but for POSIX names.
    fn class(&mut self, rest: &[char]) -> Result<usize, QueryError> {
        self.out.push('[');
        let mut at = 0;
        if rest.first() == Some(&'^') {
            self.out.push('^');
            at = 1;
        }
        let start = at;
        while let Some(&letter) = rest.get(at) {
            let tail = rest.get(at + 1..).unwrap_or_default();
            match letter {
                ']' if at > start => {
                    self.out.push(']');
                    return Ok(at + 2);
                }
                ']' => self.out.push_str(r"\]"),
                '\\' => {
                    at += self.escape(tail, true)?;
                    continue;
                }
                '[' if tail.first() == Some(&':') => {
                    let name: String = tail.iter().take_while(|c| **c != ']').collect();
                    self.out.push('[');
                    self.out.push_str(&name);
                    self.out.push(']');
                    at += name.chars().count() + 2;
                    continue;
                }
                '[' | '&' | '~' => {
                    self.out.push('\\');
                    self.out.push(letter);
                }
                other => self.out.push(other),
            }
            at += 1;
        }
        Err(QueryError::new(51091, "Regular expression is invalid: missing terminating ]"))
    }

    fn group(&mut self, rest: &[char]) -> Result<usize, QueryError> {
        let head: String = rest.iter().take(3).collect();
        for (start, name) in [
            ("?=", "look-ahead"),
            ("?!", "look-ahead"),
            ("?<=", "look-behind"),
            ("?<!", "look-behind"),
            ("?>", "atomic groups"),
            ("?(", "conditional groups"),
            ("?#", "comments"),
            ("?R", "recursion"),
            ("*", "verbs"),
        ] {
            if head.starts_with(start) {
                return Err(refused(name));
            }
        }
        self.out.push('(');
        Ok(1)
    }
}

/// Whether what follows a `{` is `3}`, `3,}` or `3,5}`.
fn starts_repetition(rest: &[char]) -> bool {
    let inside: String = rest.iter().take_while(|c| **c != '}').collect();
    if inside.len() >= rest.len() {
        return false;
    }
    let (low, high) = inside.split_once(',').unwrap_or((&inside, ""));
    !low.is_empty()
        && low.bytes().all(|b| b.is_ascii_digit())
        && high.bytes().all(|b| b.is_ascii_digit())
}

fn refused(what: &str) -> QueryError {
    QueryError::new(
        51091,
        format!("Regular expression has {what}, which this server does not support"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, options: &str, text: &str) -> bool {
        compile(pattern, options).unwrap().is_match(text)
    }

    #[test]
    fn pcre_spellings_keep_their_meaning() {
        assert!(matches("^a.c$", "", "abc\n"));
        assert!(!matches("^a.c$", "", "abc\n\n"));
        assert!(!matches("a.c", "", "a\nc"));
        assert!(matches("a.c", "s", "a\nc"));
        assert!(matches("^b$", "m", "a\nb\nc"));
        assert!(matches("A B", "xi", "ab"));
        assert!(!matches(r"^\d$", "", "٣"));
        assert!(matches(r"^[\d.]+$", "", "1.5"));
        assert!(matches(r"a{b", "", "a{b"));
        assert!(matches(r"a{2,3}", "", "aa"));
        assert!(matches(r"[[a]", "", "["));
        assert!(matches(r"^[[:alpha:]]$", "", "x"));
        assert!(matches(r"[]a]", "", "]"));
        assert!(matches(r"\Qa.b\Ec", "", "a.bc"));
        assert!(matches(r"a\/b", "", "a/b"));
        assert!(matches(r"\bfoo\b", "", "a foo b"));
        assert!(matches("ÄB", "i", "äb"));
    }

    #[test]
    fn look_ahead_at_the_beginning_is_an_expression_of_its_own() {
        assert!(matches(r"^(?!system\.)", "", "people"));
        assert!(!matches(r"^(?!system\.)", "", "system.users"));
        assert!(!matches(r"^(?!SYSTEM\.)", "i", "system.users"));
        assert!(!matches(r"(?i)^(?!SYSTEM\.)", "", "system.users"));
        let password = r"^(?=.*[a-z])(?=.*[A-Z)])(?=.*\d)(?!.*(foo|bar)).{6,}$";
        assert!(matches(password, "", "abcD12"));
        for text in ["abcd12", "ABCD12", "abcDef", "aD1", "abcD12foo"] {
            assert!(!matches(password, "", text), "{text}");
        }
        assert!(matches(r"^(?!.*\Q)\E)a", "", "a"));
        assert!(!matches(r"^(?!.*\Q)\E)a", "", "a)"));
        assert!(!matches(r"^(?!a$)a", "", "a"));
        assert!(matches(r"^(?!a$)a", "", "ab"));
        assert!(matches(r"^(?![]a)])b", "", "b"));
        assert!(!matches(r"^(?![]a)])", "", ")"));
        // What it finds lies where the rest lies, and groups count from the left.
        let regex = compile(r"^(?=.*(c))(?!(x))(a)", "").unwrap();
        let groups = regex.find("abc").unwrap();
        assert_eq!(groups, [Some(0..1), Some(2..3), None, Some(0..1)]);
        assert_eq!(regex.find("xbc"), None);
    }

    #[test]
    fn lazy_repetitions_are_no_possessive_ones() {
        assert!(matches("a+?b", "", "aab"));
        assert!(matches("a??b", "", "ab"));
        assert!(matches("(?:a)+b", "", "aab"));
        assert!(matches(r"a\++", "", "a++"));
        assert!(matches("[+]+", "", "++"));
        assert!(matches("^a}+$", "", "a}}"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for pattern in [
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            r"(a)\1",
            "(",
            "[a",
            "a\\",
            "^(?!a)b|c",
            "^(?!a",
            "^a(?!b)",
            "^(?!a)*",
            "^(?!(?=a))",
            "^((?!a)b)",
            "a++",
            "a*+b",
            "a{2}+",
            "(?m)^(?!a)",
        ] {
            assert_eq!(compile(pattern, "").unwrap_err().code(), 51091, "{pattern}");
        }
        assert_eq!(compile("a", "q").unwrap_err().code(), 51108);
    }
}
