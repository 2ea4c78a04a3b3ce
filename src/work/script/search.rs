//! The search for what is expected in bytes to which more are added while it waits.
//!
//! What it costs, in bytes looked at, for n bytes that come while it waits, is about n, however they are cut:
//!
//! - Text: each byte once, and at most `length - 1` bytes again with each piece that comes.
//! - An expression whose matches have a longest: the same with that length.
//! - Any other runs as an automaton that keeps its state from piece to piece; once it says that there is a match, the
//!   expression itself is run once to find where.
//! - One that no automaton can be made for (a `\b` of Unicode that meets a byte beyond ASCII) is run over all that is
//!   unread: again at once when what came since is at least a quarter of what the last run saw, so these runs see 5n
//!   at most; and else no sooner than the last run took.

use std::ops::Range;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use regex::bytes::{Captures, Regex};
use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA};
use regex_syntax::hir::Hir;

/// A longest match up to this, in bytes, is worth the bytes that are looked at again with each piece.
const SHORT: usize = 4096;
/// So many bytes before a match may decide whether it is one: a character of UTF-8.
const CONTEXT: usize = 4;

/// An expression, and what its parser knows of it.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    hir: Hir,
}

impl Expression {
    /// Both must be of the same text and flags.
    #[must_use]
    pub fn new(regex: Regex, hir: Hir) -> Self {
        Self { regex, hir }
    }
}

impl std::ops::Deref for Expression {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.regex
    }
}

/// See the module.
pub enum Search {
    /// For text.
    Text {
        /// What is looked for.
        finder: Finder<'static>,
        /// So many bytes have been seen.
        seen: usize,
    },
    /// For an expression.
    Regex(Box<Running>),
}

/// An expression that is looked for.
pub struct Running {
    regex: Regex,
    way: Way,
    /// So many bytes were there at the last look.
    seen: Option<usize>,
    /// So many bytes at the beginning are there to be looked back at, and no match begins in them.
    past: usize,
    /// When it may run again although little came.
    again: Instant,
}

enum Way {
    /// No match is longer than this.
    Tail(usize),
    Automaton(Box<Automaton>),
    Whole,
}

struct Automaton {
    dfa: DFA,
    cache: Cache,
    state: LazyStateID,
}

/// What a look at the unread bytes brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// It is there.
    Found(Range<usize>),
    /// It is not there.
    NotYet,
    /// Not all was looked at: ask again then.
    Later(Instant),
}

impl Search {
    /// Looks for these bytes.
    #[must_use]
    pub fn text(bytes: &[u8]) -> Self {
        Self::Text { finder: Finder::new(bytes).into_owned(), seen: 0 }
    }

    /// Looks for a match.
    #[must_use]
    pub fn regex(expression: &Expression) -> Self {
        let way = match expression.hir.properties().maximum_len() {
            Some(longest) if longest <= SHORT => Way::Tail(longest),
            _ => Automaton::new(&expression.hir).map_or(Way::Whole, |automaton| Way::Automaton(Box::new(automaton))),
        };
        let regex = expression.regex.clone();
        Self::Regex(Box::new(Running { regex, way, seen: None, past: 0, again: Instant::now() }))
    }

    /// Looks at what is unread; only ever more may be there than at the last look. With `last`, at all of it.
    pub fn look(&mut self, unread: &[u8], last: bool) -> Look {
        match self {
            Self::Text { finder, seen } => {
                let length = finder.needle().len();
                let from = (*seen + 1).saturating_sub(length).min(unread.len());
                *seen = unread.len();
                match finder.find(&unread[from..]) {
                    Some(at) => Look::Found(from + at..from + at + length),
                    None => Look::NotYet,
                }
            }
            Self::Regex(running) => running.look(unread, last),
        }
    }

    /// How many of so many unread bytes, all of which have been looked at, a match may still begin in.
    #[must_use]
    pub fn keeps(&self, unread: usize) -> usize {
        let most = match self {
            Self::Text { finder, .. } => finder.needle().len().saturating_sub(1),
            Self::Regex(running) => match running.way {
                Way::Tail(longest) => longest + 2 * CONTEXT,
                // Of a match without a longest nothing is known: half of what there is room for has to do.
                _ => unread / 2,
            },
        };
        most.min(unread)
    }

    /// The first of the unread bytes, so many, are gone.
    pub fn forgot(&mut self, many: usize) {
        match self {
            Self::Text { seen, .. } => *seen = seen.saturating_sub(many),
            Self::Regex(running) => {
                running.seen = running.seen.map(|seen| seen.saturating_sub(many));
                running.past = CONTEXT;
            }
        }
    }

    /// The groups of the match that [`Search::look`] found at `at`, and their names.
    #[must_use]
    pub fn groups<'b>(&self, unread: &'b [u8], at: &Range<usize>) -> Option<(Captures<'b>, &Regex)> {
        match self {
            Self::Text { .. } => None,
            Self::Regex(running) => Some((running.regex.captures_at(unread, at.start)?, &running.regex)),
        }
    }
}

impl Running {
    fn look(&mut self, unread: &[u8], last: bool) -> Look {
        if self.seen == Some(unread.len()) {
            return Look::NotYet;
        }
        let before = self.seen.unwrap_or(0);
        let from = match &mut self.way {
            Way::Tail(longest) => before.saturating_sub(*longest + CONTEXT).max(self.past),
            Way::Automaton(automaton) => match automaton.feed(&unread[before..]) {
                Some(false) => {
                    self.seen = Some(unread.len());
                    return Look::NotYet;
                }
                Some(true) => self.past,
                None => {
                    self.way = Way::Whole;
                    self.past
                }
            },
            Way::Whole => {
                let much = self.seen.is_none() || unread.len() - before >= before / 4;
                if !last && !much && Instant::now() < self.again {
                    return Look::Later(self.again);
                }
                self.past
            }
        };
        self.seen = Some(unread.len());
        let now = Instant::now();
        let found = self.regex.find_at(unread, from.min(unread.len())).map(|found| found.range());
        self.again = Instant::now() + now.elapsed().max(Duration::from_micros(10));
        found.map_or(Look::NotYet, Look::Found)
    }
}

impl Automaton {
    fn new(hir: &Hir) -> Option<Self> {
        let nfa: NFA =
            thompson::Compiler::new().configure(thompson::Config::new().utf8(false)).build_from_hir(hir).ok()?;
        let config = DFA::config().unicode_word_boundary(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let mut cache = dfa.create_cache();
        let state = dfa.start_state_forward(&mut cache, &Input::new(b"")).ok()?;
        Some(Self { dfa, cache, state })
    }

    /// Whether a match ends in these bytes, which follow those before, or at their end; `None` where it cannot tell.
    fn feed(&mut self, bytes: &[u8]) -> Option<bool> {
        for byte in bytes {
            self.state = self.dfa.next_state(&mut self.cache, self.state, *byte).ok()?;
            if self.state.is_tagged() {
                if self.state.is_match() {
                    return Some(true);
                }
                if self.state.is_quit() {
                    return None;
                }
                if self.state.is_dead() {
                    return Some(false);
                }
            }
        }
        // A match is told one byte late; and there may be one only because nothing follows.
        let cleared = self.cache.clear_count();
        let end = self.dfa.next_eoi_state(&mut self.cache, self.state).ok()?;
        // Then the state is that of a cache that is gone.
        (self.cache.clear_count() == cleared).then_some(end.is_match())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Search {
        let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(pattern).unwrap();
        Search::regex(&Expression::new(Regex::new(pattern).unwrap(), hir))
    }

    #[test]
    fn text_is_found_however_it_is_cut() {
        let all = b"xxabcabdyy";
        for cut in 0..=all.len() {
            let mut search = Search::text(b"abcabd");
            let first = search.look(&all[..cut], false);
            let found = if cut >= 8 { first } else { search.look(all, false) };
            assert_eq!(found, Look::Found(2..8), "{cut}");
        }
        assert_eq!(Search::text(b"").look(b"", false), Look::Found(0..0));
    }

    #[test]
    fn an_expression_is_found_however_it_is_cut() {
        for (pattern, all, at) in [
            ("b+c", "aaaaaaaaaabbcx", 10..13),
            ("a{2}b", "aaaabx", 2..5),
            ("^x.*y", "xaay", 0..4),
            (r"\bcat\b", "concat cat.", 7..10),
            (r"\bc[a-z]*t\b", "concat", 0..6),
            ("(?m)^b+$", "a\nbb\nc", 2..4),
            ("é+x", "aéééx", 1..8),
            (r"\bé\w*", "aé é", 4..6),
            ("(?-u)[\\xff]x*y", "a\u{ff}y", 0..0),
        ] {
            let whole = Regex::new(pattern).unwrap().find(all.as_bytes()).map(|found| found.range());
            assert!(whole.is_none() || whole == Some(at), "{pattern}");
            for cut in 0..=all.len() {
                let mut search = regex(pattern);
                let mut look = search.look(&all.as_bytes()[..cut], false);
                if !matches!(look, Look::Found(_)) {
                    look = search.look(all.as_bytes(), true);
                }
                // What comes later may make a match longer, which nobody waits for.
                let start = |look: &Look| if let Look::Found(at) = look { Some(at.start) } else { None };
                assert_eq!(start(&look), whole.clone().map(|at| at.start), "{pattern} cut at {cut}");
            }
        }
    }

    #[test]
    fn groups_are_those_of_the_match() {
        let mut search = regex("b+(c)");
        assert_eq!(search.look(b"aaabbc", true), Look::Found(3..6));
        let (groups, _) = search.groups(b"aaabbc", &(3..6)).unwrap();
        assert_eq!((&groups[0], &groups[1]), (&b"bbc"[..], &b"c"[..]));
    }

    #[test]
    fn what_is_forgotten_is_no_beginning() {
        // The expression is about the beginning of what was unread, which is gone.
        for pattern in ["^ab", "^ab+c"] {
            let mut search = regex(pattern);
            assert_eq!(search.look(b"xxxxxxabbc", false), Look::NotYet, "{pattern}");
            search.forgot(6);
            assert_eq!(search.look(b"abbcabbc", true), Look::NotYet, "{pattern}");
        }
        let mut search = Search::text(b"needle");
        assert_eq!(search.look(b"hay hay nee", false), Look::NotYet);
        assert_eq!(search.keeps(11), 5);
        search.forgot(6);
        assert_eq!(search.look(b"y needle", false), Look::Found(2..8));
        let mut search = regex("ne+dle");
        assert_eq!(search.look(b"hay hay hay nee", false), Look::NotYet);
        search.forgot(7);
        assert_eq!(search.look(b" hay needle", false), Look::Found(5..11));
    }

    #[test]
    fn an_expression_without_an_automaton_does_not_cost_the_square() {
        let mut search = regex("never+");
        let Search::Regex(running) = &mut search else { panic!() };
        running.way = Way::Whole;
        let all = vec![b'x'; 1 << 20];
        let mut runs = 0;
        for end in (1 << 10..=1 << 20).step_by(1 << 10) {
            // Always too soon, unless much came.
            if let Search::Regex(running) = &mut search {
                running.again = Instant::now() + Duration::from_secs(60);
            }
            runs += usize::from(search.look(&all[..end], false) == Look::NotYet);
        }
        assert!(runs < 50, "{runs} runs for 1024 pieces");
    }
}
