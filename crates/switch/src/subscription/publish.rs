//! Publish: presence that phones hand in, each under an entity tag (RFC 3903 §6).
//!
//! | Expires | SIP-If-Match | body | |
//! |---|---|---|---|
//! | > 0 | – | yes | a new publication |
//! | > 0 | known | – | refreshed: it holds longer |
//! | > 0 | known | yes | modified |
//! | 0 | known | – | removed |
//! | any | unknown | any | 412: the phone starts anew |
//! | any | – | – | 400 |
//!
//! Each success gives a new tag, and the old one is good for nothing any more. Only an extension itself publishes for it.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::TenantId;
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use sip::header::{ContentType, Event};
use sip::package::Presence;
use sip::{Name, Reply, Request};

use super::package::Package;
use super::refusal::Refusal;
use super::request;
use crate::admit::Identity;
use crate::limits;

/// Tells publications apart, in the order in which they were made.
type Key = u64;

/// An extension of a tenant.
type Place = (TenantId, String);

#[derive(Debug)]
struct Publication {
    key: Key,
    tag: String,
    presence: Presence,
    expires_at: Instant,
}

/// All publications of a shard. The maps are for look-up alone.
#[derive(Debug, Default)]
pub(super) struct Publications {
    of: HashMap<Place, Vec<Publication>>,
    places: HashMap<Key, Place>,
    deadlines: BTreeSet<(Instant, Key)>,
    next: Key,
}

/// A PUBLISH, understood.
struct Ask {
    tag: Option<String>,
    expires_s: u32,
    presence: Option<Presence>,
}

/// What became of a PUBLISH.
#[derive(Debug)]
pub(super) struct Published {
    /// Its answer.
    pub(super) reply: Reply,
    /// Whether watchers see something else now.
    pub(super) changed: bool,
}

impl Publications {
    /// Carries out a PUBLISH.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        random: &mut ChaCha8Rng,
        identity: &Identity,
        request: &Request,
    ) -> Result<Published, Refusal> {
        let Ask { tag, expires_s, presence } = read(identity, request)?;
        let place = (identity.tenant, identity.extension.clone());
        let expires_at = now + Duration::from_secs(u64::from(expires_s));
        let fresh = fresh_tag(random);
        let reply = Reply::new(200)
            .header(Name::Expires, Bytes::from(expires_s.to_string()))
            .header(Name::SipEtag, Bytes::from(fresh.clone()));
        let changed = match (tag, presence) {
            (None, None) => return Err(Refusal::Bad),
            // Nothing that holds for no time is kept.
            (None, Some(_)) if expires_s == 0 => false,
            (None, Some(presence)) => {
                self.insert(place, fresh, presence, expires_at)?;
                true
            }
            (Some(tag), _) if expires_s == 0 => {
                let key = self.find(now, &place, &tag).ok_or(Refusal::UnknownTag)?;
                self.remove(key);
                true
            }
            (Some(tag), presence) => {
                let key = self.find(now, &place, &tag).ok_or(Refusal::UnknownTag)?;
                self.refresh(&place, key, fresh, presence, expires_at)
            }
        };
        Ok(Published { reply, changed })
    }

    /// What the phones of an extension have published, the oldest first.
    pub(super) fn of(&self, now: Instant, tenant: TenantId, extension: &str) -> Vec<&Presence> {
        let publications = self.of.get(&(tenant, extension.to_owned())).map_or(&[][..], Vec::as_slice);
        publications.iter().filter(|known| known.expires_at > now).map(|known| &known.presence).collect()
    }

    /// Ends what has expired at `now`; says whose it was, one at a time.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Place> {
        let (_, key) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
        self.remove(key)
    }

    /// When the next one expires.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn find(&self, now: Instant, place: &Place, tag: &str) -> Option<Key> {
        let publications = self.of.get(place)?;
        publications.iter().find(|known| known.tag == tag && known.expires_at > now).map(|known| known.key)
    }

    fn insert(&mut self, place: Place, tag: String, presence: Presence, expires_at: Instant) -> Result<(), Refusal> {
        if self.places.len() >= limits::MAX_PUBLICATIONS {
            return Err(Refusal::Full);
        }
        let publications = self.of.entry(place.clone()).or_default();
        if publications.len() >= limits::MAX_PUBLICATIONS_PER_EXTENSION {
            return Err(Refusal::TooMany);
        }
        self.next += 1;
        publications.push(Publication { key: self.next, tag, presence, expires_at });
        self.places.insert(self.next, place);
        self.deadlines.insert((expires_at, self.next));
        Ok(())
    }

    /// Gives a publication another tag and time, and another content when there is one; whether that changed.
    fn refresh(
        &mut self,
        place: &Place,
        key: Key,
        tag: String,
        presence: Option<Presence>,
        expires_at: Instant,
    ) -> bool {
        let publications = self.of.get_mut(place);
        let Some(known) = publications.and_then(|known| known.iter_mut().find(|known| known.key == key)) else {
            return false;
        };
        self.deadlines.remove(&(known.expires_at, key));
        self.deadlines.insert((expires_at, key));
        known.tag = tag;
        known.expires_at = expires_at;
        let Some(presence) = presence else { return false };
        let old = std::mem::replace(&mut known.presence, presence);
        old != known.presence
    }

    fn remove(&mut self, key: Key) -> Option<Place> {
        let place = self.places.remove(&key)?;
        if let Some(publications) = self.of.get_mut(&place) {
            if let Some(index) = publications.iter().position(|known| known.key == key) {
                self.deadlines.remove(&(publications.remove(index).expires_at, key));
            }
            if publications.is_empty() {
                self.of.remove(&place);
            }
        }
        Some(place)
    }
}

fn read(identity: &Identity, request: &Request) -> Result<Ask, Refusal> {
    let headers = request.headers();
    match headers.typed::<Event>() {
        Some(Ok(event)) if event.package == Package::Presence.as_str() => {}
        Some(Err(_)) => return Err(Refusal::Bad),
        Some(Ok(_)) | None => return Err(Refusal::UnknownEvent),
    }
    if request::resource(request)?.is_some_and(|number| number != identity.extension) {
        return Err(Refusal::NotYours);
    }
    let tag = request::if_match(request)?;
    let expires_s = request::lifetime(request)?;
    let body = request.body();
    if body.is_empty() {
        return Ok(Ask { tag, expires_s, presence: None });
    }
    if body.len() > sip::limits::XML_BYTES {
        return Err(Refusal::TooLong);
    }
    let kind = headers.typed::<ContentType>().and_then(Result::ok);
    if !kind.is_some_and(|kind| kind.is("application", "pidf+xml")) {
        return Err(Refusal::UnknownDocument(Package::Presence));
    }
    let presence = Presence::parse(&body).map_err(|_| Refusal::Bad)?;
    Ok(Ask { tag, expires_s, presence: Some(presence) })
}

fn fresh_tag(random: &mut ChaCha8Rng) -> String {
    format!("{:016x}", random.next_u64())
}
