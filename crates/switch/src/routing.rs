//! Routing: what a dialled number means to a tenant.
//!
//! The dialplan rows of a snapshot are compiled once. A look-up is one step in a table for exact numbers, then one walk down a
//! tree of patterns along the digits, then one step in the table of extensions; it never goes through the rows.
//!
//! Of several rows that match, the exact one wins; among patterns the one that is more specific at the leftmost place where
//! they differ (see [`pattern`]). Only when no row of the caller's context matches is the number taken for an extension of the
//! caller's own tenant.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{Action, DialplanEntry, DialplanId, TenantSnapshot};
use sip::{Scheme, Uri};

use crate::limits;

pub mod pattern;

use pattern::{Pattern, Tree};

/// The rows of one `exten`, from the lowest priority up; never empty.
pub type Steps = Arc<[Action]>;

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To rows of the dialplan: the first action, and those to be tried after it.
    Actions(Steps),
    /// To the phones of this extension of the caller's tenant.
    Extension(String),
    /// Nowhere.
    Unknown,
}

/// The compiled dialplan and numbers of one snapshot.
#[derive(Debug)]
pub struct Routes {
    snapshot: Arc<TenantSnapshot>,
    contexts: HashMap<String, Context>,
    faults: Vec<DialplanId>,
}

/// One dialplan context, for look-up alone.
#[derive(Debug, Default)]
struct Context {
    exact: HashMap<String, Steps>,
    patterns: Tree<Steps>,
}

impl Routes {
    /// Compiles a snapshot. Rows whose pattern cannot be read are left out and listed in [`Routes::faults`].
    #[must_use]
    pub fn compile(snapshot: Arc<TenantSnapshot>) -> Self {
        let mut routes = Self { snapshot: Arc::clone(&snapshot), contexts: HashMap::new(), faults: Vec::new() };
        let mut rows: Vec<&DialplanEntry> = snapshot.dialplan.iter().collect();
        rows.sort_by(|a, b| (&a.context, &a.exten, a.priority).cmp(&(&b.context, &b.exten, b.priority)));
        for group in rows.chunk_by(|a, b| a.context == b.context && a.exten == b.exten) {
            routes.add(group);
        }
        routes
    }

    /// Where `number`, dialled in `context`, leads.
    #[must_use]
    pub fn route(&self, context: &str, number: &str) -> Route {
        if number.is_empty() || number.len() > limits::MAX_NUMBER_BYTES {
            return Route::Unknown;
        }
        if let Some(context) = self.contexts.get(context) {
            let exact = context.exact.get(number);
            if let Some(steps) = exact.or_else(|| context.patterns.find(number)) {
                return Route::Actions(Arc::clone(steps));
            }
        }
        match self.snapshot.extensions.get(number) {
            Some(extension) if extension.enabled => Route::Extension(number.to_owned()),
            _ => Route::Unknown,
        }
    }

    /// The snapshot this was compiled from.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<TenantSnapshot> {
        &self.snapshot
    }

    /// Rows that were left out because their `exten` is neither a number nor a pattern.
    #[must_use]
    pub fn faults(&self) -> &[DialplanId] {
        &self.faults
    }

    /// Adds the rows of one `exten` of one context, in the order of their priorities.
    fn add(&mut self, rows: &[&DialplanEntry]) {
        let [first, ..] = rows else { return };
        let steps: Steps = rows.iter().map(|row| row.action.clone()).collect();
        let pattern = match first.exten.strip_prefix('_').map(Pattern::parse) {
            None if first.exten.is_empty() || first.exten.len() > limits::MAX_NUMBER_BYTES => return self.fault(rows),
            None => None,
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(_)) => return self.fault(rows),
        };
        if !self.contexts.contains_key(&first.context) {
            self.contexts.insert(first.context.clone(), Context::default());
        }
        let Some(context) = self.contexts.get_mut(&first.context) else { return };
        match pattern {
            None => {
                context.exact.insert(first.exten.clone(), steps);
            }
            Some(pattern) => context.patterns.insert(&pattern, steps),
        }
    }

    fn fault(&mut self, rows: &[&DialplanEntry]) {
        self.faults.extend(rows.iter().map(|row| row.id));
    }
}

/// The number that a URI names: that of a `tel:` URI, or the user part of a `sip:` or `sips:` one. Where it is a telephone number,
/// as in `tel:` and with `user=phone`, the marks that make it readable are left out (RFC 3966 §5.1.1).
#[must_use]
pub fn number_of_uri(uri: &Uri) -> Option<String> {
    let number = number_of_user(uri.user_raw()?)?;
    let telephone = uri.scheme() == Scheme::Tel
        || uri.param("user").flatten().is_some_and(|kind| kind.eq_ignore_ascii_case(b"phone"));
    if !telephone {
        return Some(number);
    }
    let number: String = number.chars().filter(|sign| !matches!(sign, '-' | '.' | '(' | ')')).collect();
    (!number.is_empty()).then_some(number)
}

/// The number in the user part of a Request-URI, which comes percent-encoded; `None` when it cannot be one.
///
/// What follows a `;` belongs to the telephone-subscriber's parameters (RFC 3261 §19.1.1, RFC 3966) and not to the number.
/// Control characters, bytes that are not UTF-8 and numbers beyond [`limits::MAX_NUMBER_BYTES`] name nobody.
#[must_use]
pub fn number_of_user(raw: &[u8]) -> Option<String> {
    let raw = raw.split(|&byte| byte == b';').next()?;
    // Three bytes may stand for one.
    if raw.is_empty() || raw.len() > 3 * limits::MAX_NUMBER_BYTES {
        return None;
    }
    let mut number = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        if *byte != b'%' {
            number.push(*byte);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let (high, low) = (char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?);
        number.push(u8::try_from(high * 16 + low).ok()?);
        rest = after;
    }
    let number = String::from_utf8(number).ok()?;
    (number.len() <= limits::MAX_NUMBER_BYTES && !number.chars().any(char::is_control)).then_some(number)
}
