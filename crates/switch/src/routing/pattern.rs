//! Patterns of dialplan rows, and the tree they are looked up in.
//!
//! | sign | stands for |
//! |---|---|
//! | `X` | a digit 0–9 |
//! | `Z` | a digit 1–9 |
//! | `N` | a digit 2–9 |
//! | `[2-57*]` | one of the characters and ranges named |
//! | `.` | one or more characters of any kind; only at the end |
//! | `!` | any characters or none; only at the end |
//! | `-` | nothing: it makes long patterns readable |
//! | others | themselves |
//!
//! `X`, `Z` and `N` may be written small. Of two patterns that match one number, the order is decided from left to right: fewer
//! possible characters come before more, among equally many the set with the smaller first character, then `.`, then `!`.
//! That is Asterisk's order, with one difference: a pattern that ends where the number ends comes before `.` and `!`.

use crate::limits;

/// A pattern, read but without its leading `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    places: Vec<Class>,
    tail: Tail,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing to match.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than any number may be.
    #[error("the pattern is too long")]
    TooLong,
    /// A character outside ASCII, a blank or a control character.
    #[error("the pattern has a character at {0} that no number has")]
    Character(usize),
    /// A `[` without `]`, a set without members, or a range that runs backwards.
    #[error("the set that begins at {0} is not complete")]
    Set(usize),
    /// Something follows `.` or `!`.
    #[error("something follows the wildcard at {0}")]
    AfterWildcard(usize),
}

/// The characters that one place of a pattern accepts: bit n for the ASCII character n.
///
/// Ordered by how specific they are: by number of members, then by the first member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(u128);

/// What may follow the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Nothing,
    OneOrMore,
    Any,
}

impl Pattern {
    /// Reads a pattern without its leading `_`.
    ///
    /// # Errors
    /// The text is not a pattern; the error says at which byte.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let bytes = text.as_bytes();
        let mut pattern = Self { places: Vec::new(), tail: Tail::Nothing };
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let begin = at;
            at += 1;
            if pattern.tail != Tail::Nothing {
                return Err(PatternError::AfterWildcard(begin - 1));
            }
            let class = match byte {
                b'-' => continue,
                b'.' => {
                    pattern.tail = Tail::OneOrMore;
                    continue;
                }
                b'!' => {
                    pattern.tail = Tail::Any;
                    continue;
                }
                b'X' | b'x' => Class::range(b'0', b'9'),
                b'Z' | b'z' => Class::range(b'1', b'9'),
                b'N' | b'n' => Class::range(b'2', b'9'),
                b'[' => {
                    let length = bytes[at..].iter().position(|&byte| byte == b']').ok_or(PatternError::Set(begin))?;
                    let members = &bytes[at..at + length];
                    at += length + 1;
                    Class::set(members).ok_or(PatternError::Set(begin))?
                }
                byte if byte.is_ascii_graphic() => Class::range(byte, byte),
                _ => return Err(PatternError::Character(begin)),
            };
            if pattern.places.len() == limits::MAX_NUMBER_BYTES {
                return Err(PatternError::TooLong);
            }
            pattern.places.push(class);
        }
        if pattern.places.is_empty() && pattern.tail == Tail::Nothing {
            return Err(PatternError::Empty);
        }
        Ok(pattern)
    }
}

impl Class {
    fn range(first: u8, last: u8) -> Self {
        Self((first..=last).filter(u8::is_ascii).fold(0, |bits, byte| bits | 1 << byte))
    }

    /// The inside of `[…]`: characters and ranges; a `-` at either end stands for itself.
    fn set(members: &[u8]) -> Option<Self> {
        let mut class = Self(0);
        let mut rest = members;
        while let [first, after @ ..] = rest {
            let (last, after) = match after {
                [b'-', last, after @ ..] => (last, after),
                _ => (first, after),
            };
            if first > last || !first.is_ascii_graphic() || !last.is_ascii_graphic() {
                return None;
            }
            class.0 |= Self::range(*first, *last).0;
            rest = after;
        }
        (class.0 != 0).then_some(class)
    }

    fn accepts(self, byte: u8) -> bool {
        byte.is_ascii() && self.0 & 1 << byte != 0
    }

    /// Smaller is more specific.
    fn rank(self) -> (u32, u32, u128) {
        (self.0.count_ones(), self.0.trailing_zeros(), self.0)
    }

    /// The character, when there is only one.
    fn single(self) -> Option<u8> {
        if self.0.count_ones() == 1 { u8::try_from(self.0.trailing_zeros()).ok() } else { None }
    }
}

/// Patterns with what they lead to, shared along their common beginnings.
///
/// A look-up touches a node at most once and leaves a branch at the first digit that does not fit, so its cost goes with the
/// length of the number and with how many patterns truly overlap, not with how many there are.
#[derive(Debug)]
pub struct Tree<T> {
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    /// One character each, sorted.
    digits: Vec<(u8, usize)>,
    /// Several characters each, the most specific first.
    classes: Vec<(Class, usize)>,
    end: Option<T>,
    one_or_more: Option<T>,
    any: Option<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { digits: Vec::new(), classes: Vec::new(), end: None, one_or_more: None, any: None }
    }
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<T> Tree<T> {
    /// Adds a pattern. One that means the same as an earlier one, however written, stands back behind it.
    pub fn insert(&mut self, pattern: &Pattern, value: T) {
        let mut node = 0;
        for class in &pattern.places {
            node = self.child(node, *class);
        }
        let node = &mut self.nodes[node];
        let place = match pattern.tail {
            Tail::Nothing => &mut node.end,
            Tail::OneOrMore => &mut node.one_or_more,
            Tail::Any => &mut node.any,
        };
        place.get_or_insert(value);
    }

    /// What the most specific matching pattern leads to.
    #[must_use]
    pub fn find(&self, number: &str) -> Option<&T> {
        self.find_below(0, number.as_bytes())
    }

    /// Goes one digit deeper with each call, so never deeper than [`limits::MAX_NUMBER_BYTES`], the longest pattern.
    fn find_below(&self, node: usize, rest: &[u8]) -> Option<&T> {
        let node = &self.nodes[node];
        let Some((&byte, after)) = rest.split_first() else {
            return node.end.as_ref().or(node.any.as_ref());
        };
        if let Ok(found) = node.digits.binary_search_by_key(&byte, |(digit, _)| *digit) {
            let below = self.find_below(node.digits[found].1, after);
            if below.is_some() {
                return below;
            }
        }
        for (class, child) in &node.classes {
            if class.accepts(byte) {
                let below = self.find_below(*child, after);
                if below.is_some() {
                    return below;
                }
            }
        }
        node.one_or_more.as_ref().or(node.any.as_ref())
    }

    fn child(&mut self, node: usize, class: Class) -> usize {
        let next = self.nodes.len();
        let parent = &mut self.nodes[node];
        if let Some(digit) = class.single() {
            match parent.digits.binary_search_by_key(&digit, |(digit, _)| *digit) {
                Ok(found) => return parent.digits[found].1,
                Err(place) => parent.digits.insert(place, (digit, next)),
            }
        } else {
            match parent.classes.binary_search_by_key(&class.rank(), |(class, _)| class.rank()) {
                Ok(found) => return parent.classes[found].1,
                Err(place) => parent.classes.insert(place, (class, next)),
            }
        }
        self.nodes.push(Node::default());
        next
    }
}
