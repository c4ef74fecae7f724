//! MongoDB's regular expressions on the `regex` crate.
//!
//! Patterns are PCRE's. What differs in spelling is translated: classes such as `\d` mean ASCII,
//! `$` also matches before a last line feed, a `{` that starts no repetition is a letter. Look-around
//! and back references do not exist here and are refused by name.

use fieldveil_query::QueryError;
use regex::Regex;

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
    let body = Translator { multiline: flags.contains('m'), out: String::new() }.run(pattern)?;
    let full = if flags.is_empty() { body } else { format!("(?{flags}){body}") };
    Regex::new(&full).map_err(|_| {
        QueryError::new(
            51091,
            "Regular expression is invalid or has a construct that is not supported",
        )
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
        while let Some(&letter) = letters.get(at) {
            let rest = letters.get(at + 1..).unwrap_or_default();
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
    fn what_cannot_be_done_is_refused() {
        for pattern in ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "(", "[a", "a\\"] {
            assert_eq!(compile(pattern, "").unwrap_err().code(), 51091, "{pattern}");
        }
        assert_eq!(compile("a", "q").unwrap_err().code(), 51108);
    }
}
