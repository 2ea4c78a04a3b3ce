//! getopt_long(3), as far as the lines of nc and ncat need it: options may stand anywhere.

use super::Line;
use crate::span::Misread;

/// An option that was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Its letter, or of one that has none, its long name.
    pub(super) name: String,
    /// Its value, empty where it takes none.
    pub(super) value: String,
    /// As it was typed, for words about it.
    pub(super) shown: String,
    /// Which word.
    pub(super) at: usize,
}

/// A word that is no option, and which one it is.
pub(super) type Word = (usize, String);

/// The letters in the form of getopt(3), and long names with `:` behind one that takes a value, and behind `=` the
/// letter that it stands for.
pub(super) struct Spec {
    pub(super) letters: &'static str,
    pub(super) long: &'static [(&'static str, &'static str)],
}

impl Spec {
    /// Whether it takes a value, if there is such a letter.
    fn letter(&self, letter: char) -> Option<bool> {
        let at = self.letters.find(letter).filter(|_| letter != ':')?;
        Some(self.letters[at + letter.len_utf8()..].starts_with(':'))
    }

    /// Options and other words, each with its place.
    pub(super) fn read(&self, line: &Line<'_>) -> Result<(Vec<Given>, Vec<Word>), Misread> {
        let (mut options, mut words) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(word) = line.own.get(at) {
            let here = at;
            at += 1;
            if word == "--" {
                words.extend(line.own.iter().enumerate().skip(at).map(|(n, word)| (n, word.clone())));
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                options.push(self.long(line, long, here, &mut at)?);
                continue;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                words.push((here, word.clone()));
                continue;
            };
            for (n, letter) in letters.char_indices() {
                let Some(takes) = self.letter(letter) else {
                    return Err(line.misread(here, format!("-{letter} is no flag that is known of this program")));
                };
                let given =
                    |value: String| Given { name: letter.to_string(), value, shown: format!("-{letter}"), at: here };
                if !takes {
                    options.push(given(String::new()));
                    continue;
                }
                let rest = &letters[n + letter.len_utf8()..];
                options.push(given(if rest.is_empty() { value(line, word, &mut at)? } else { rest.to_owned() }));
                break;
            }
        }
        Ok((options, words))
    }

    fn long(&self, line: &Line<'_>, text: &str, here: usize, at: &mut usize) -> Result<Given, Misread> {
        let (name, own) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let stem = |known: &'static str| known.trim_end_matches(':');
        let exact = self.long.iter().find(|(known, _)| stem(known) == name);
        // As long as only one begins so, getopt_long(3) takes the beginning for the whole.
        let mut begin = self.long.iter().filter(|(known, _)| !name.is_empty() && known.starts_with(name));
        let found = exact.or_else(|| begin.next().filter(|_| begin.next().is_none()));
        let Some((known, letter)) = found else {
            return Err(line.misread(here, format!("--{name} is no flag that is known of this program")));
        };
        let value = match (known.ends_with(':'), own) {
            (true, Some(own)) => own.to_owned(),
            (true, None) => value(line, &line.own[here], at)?,
            (false, None) => String::new(),
            (false, Some(_)) => return Err(line.misread(here, format!("--{name} takes no value"))),
        };
        let name = if letter.is_empty() { stem(known) } else { letter };
        Ok(Given { name: name.to_owned(), value, shown: format!("--{}", stem(known)), at: here })
    }
}

fn value(line: &Line<'_>, flag: &str, at: &mut usize) -> Result<String, Misread> {
    let Some(value) = line.own.get(*at) else {
        return Err(line.misread(*at, format!("{flag} takes a value")));
    };
    *at += 1;
    Ok(value.clone())
}
