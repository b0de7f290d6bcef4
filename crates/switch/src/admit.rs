//! Admit: who may ask anything of this switch.
//!
//! Asked by the endpoint before any state exists. The tenant is found from the domain that the request names; the sender
//! then proves with digest that it speaks for an extension of that tenant. Whoever cannot is told the same, whether the
//! name is missing, disabled or the password wrong, and the same work is done to find out.
//!
//! | method | challenge | besides the digest |
//! |---|---|---|
//! | REGISTER | 401 | the To is the authenticated extension |
//! | OPTIONS | 401 | none needed from the flow of a registered phone, which asks whether we are alive |
//! | every other | 401 or 407, by [`policy`] | the From is the authenticated extension, or anonymous |
//!
//! ACK and CANCEL are not the gate's to judge: they match something or are dropped. Who has tried too often is not listened to
//! for a while: see [`crate::guard`].

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use domain::{
    Credential, DeviceId, DigestOffer, Extension, ExtensionId, Registration, Tenant, TenantId, TenantSnapshot,
    TenantStatus, UserId, source,
};
use sip::digest::{Algorithm, Challenge, Credentials, Ha1, NonceCounts, NonceKey, NonceVerdict, verify};
use sip::header::NameAddr;
use sip::{Admission, Flow, Gate, Host, Method, Name, Reply, Request, Scheme, Scope, Uri};

pub mod policy;

use policy::Policy;

use crate::guard::{Account, Attempt, GuardConfig, Offence, Sentry};
use crate::limits;
use crate::registrar::{Binding, Registrar};
use crate::routing::{self, Routes};

/// Whom a request speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant.
    pub tenant: TenantId,
    /// Number of the extension.
    pub extension: String,
    /// The extension.
    pub extension_id: ExtensionId,
    /// The person behind the login.
    pub user_id: Option<UserId>,
    /// The device, when it logged in as itself.
    pub device_id: Option<DeviceId>,
    /// The name that was authenticated.
    pub username: String,
}

/// The tenants, their domains, and the nonces.
pub struct Admittance {
    tenants: HashMap<TenantId, Arc<Routes>>,
    domains: HashMap<String, TenantId>,
    /// What each tenant put into `domains`.
    names: BTreeMap<TenantId, Vec<String>>,
    default: Option<TenantId>,
    key: NonceKey,
    counts: NonceCounts,
    began: Instant,
    /// Checked for names nobody has, so that they cost what the others cost.
    nobody: Ha1,
    sentry: Sentry,
}

impl Admittance {
    /// Nobody is known yet. `seed` is the secret behind the nonces.
    #[must_use]
    pub fn new(now: Instant, seed: [u8; 32]) -> Self {
        Self {
            tenants: HashMap::new(),
            domains: HashMap::new(),
            names: BTreeMap::new(),
            default: None,
            key: NonceKey::new(seed),
            counts: NonceCounts::default(),
            began: now,
            nobody: Ha1 { md5: [0; 16], sha256: Some([0; 32]) },
            sentry: Sentry::new(GuardConfig::default()),
        }
    }

    /// With a guard that is told something else than the usual.
    #[must_use]
    pub fn guarded_as(self, config: GuardConfig) -> Self {
        Self { sentry: Sentry::new(config), ..self }
    }

    /// Who has tried too often.
    #[must_use]
    pub fn sentry(&self) -> &Sentry {
        &self.sentry
    }

    /// The same, to ban and to lift bans.
    pub fn sentry_mut(&mut self) -> &mut Sentry {
        &mut self.sentry
    }

    /// Takes a tenant as it is now.
    pub fn put(&mut self, snapshot: Arc<TenantSnapshot>) {
        let tenant = &snapshot.tenant;
        let id = tenant.id;
        self.remove(id);
        let names: Vec<String> =
            std::iter::once(&tenant.domain).chain(&tenant.domains).map(|name| canonical(name.as_bytes())).collect();
        for name in &names {
            // The database keeps domains apart. Should two tenants claim one all the same, it stays with whom it is.
            self.domains.entry(name.clone()).or_insert(id);
        }
        self.names.insert(id, names);
        if tenant.is_default {
            self.default = Some(id);
        }
        self.tenants.insert(id, Arc::new(Routes::compile(snapshot)));
    }

    /// Forgets a tenant.
    pub fn remove(&mut self, id: TenantId) {
        self.tenants.remove(&id);
        for name in self.names.remove(&id).unwrap_or_default() {
            if self.domains.get(&name) == Some(&id) {
                self.domains.remove(&name);
            }
        }
        if self.default == Some(id) {
            self.default = None;
        }
    }

    /// The compiled dialplan and the snapshot of a tenant.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Option<&Arc<Routes>> {
        self.tenants.get(&id)
    }

    /// The gate before the endpoint.
    pub fn gate<'a>(&'a mut self, registrar: &'a Registrar) -> Guard<'a> {
        Guard { admittance: self, registrar }
    }

    /// The tenant whose domain a URI names; the machine's bare address, and a number without a domain, belong to the
    /// tenant of the phone that sends from there, or else to the default tenant.
    fn tenant_of(&self, uri: &Uri, flow: &Flow, registrar: &Registrar) -> Option<TenantId> {
        let host = uri.host();
        match uri.scheme() {
            Scheme::Sip | Scheme::Sips if host.ip().is_none() => return self.named(&host),
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other(_) => return None,
        }
        registrar.on_flow(flow).map(|binding| binding.registration().tenant_id).or(self.default)
    }

    fn named(&self, host: &Host) -> Option<TenantId> {
        match host {
            Host::Name(name) => self.domains.get(&canonical(name)).copied(),
            Host::V4(_) | Host::V6(_) => None,
        }
    }

    /// Whether an address stands for an extension of the tenant: its user is the number or the login, its host one of
    /// the tenant's domains or an address of the machine. A `tel:` URI names the number alone.
    fn stands_for(&self, address: &NameAddr, tenant: TenantId, credential: &Credential) -> bool {
        let host = address.uri.host();
        let user = address.uri.user();
        let named = user
            .as_deref()
            .is_some_and(|user| user == credential.extension.as_bytes() || user == credential.username.as_bytes());
        match address.uri.scheme() {
            Scheme::Sip | Scheme::Sips => named && (host.ip().is_some() || self.named(&host) == Some(tenant)),
            Scheme::Tel => routing::number_of_uri(&address.uri).is_some_and(|number| number == credential.extension),
            Scheme::Other(_) => false,
        }
    }
}

/// A domain as it is looked up: lower case, without the dot at the end.
fn canonical(name: &[u8]) -> String {
    let name = name.strip_suffix(b".").unwrap_or(name);
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// [`Admittance`] at work for one message.
pub struct Guard<'a> {
    admittance: &'a mut Admittance,
    registrar: &'a Registrar,
}

/// What the credentials of a request turned out to be.
enum Proof<'s> {
    /// Right, fresh and first.
    Good(&'s Credential, &'s Extension),
    /// Right, but for a nonce that is old, foreign or used up.
    Stale,
    /// Wrong, or none.
    Bad,
}

impl Gate<Identity> for Guard<'_> {
    fn admit(&mut self, now: Instant, flow: &Flow, request: &Request, scope: Scope) -> Admission<Identity> {
        let banned = self.admittance.sentry.is_banned(now, flow.remote.ip());
        if banned || policy::of(request.method()) == Policy::Never {
            return Admission::Drop;
        }
        let own = self.registrar.on_flow(flow).map(Binding::registration);
        let routes = self.routes(flow, request, scope);
        let Some(routes) = routes.filter(|routes| is_served(routes.snapshot(), request)) else {
            if own.is_none() {
                let proven = flow.transport.is_reliable();
                self.admittance.sentry.offend(now, flow.remote.ip(), Offence::UnknownDomain, proven);
            }
            return Admission::Refuse(Reply::new(403));
        };
        let snapshot = routes.snapshot();
        let own = own.filter(|own| own.tenant_id == snapshot.tenant.id);
        if *request.method() == Method::Options
            && let Some(own) = own
        {
            return Admission::Pass(registered(own));
        }
        let (credential, extension) = match self.prove(now, flow, snapshot, request, own) {
            Proof::Good(credential, extension) => (credential, extension),
            Proof::Stale => return Admission::Refuse(self.challenge(now, flow, snapshot, request, true)),
            Proof::Bad => return Admission::Refuse(self.challenge(now, flow, snapshot, request, false)),
        };
        if scope == Scope::OutOfDialog && !self.speaks_for_itself(snapshot.tenant.id, credential, request) {
            return Admission::Refuse(Reply::new(403));
        }
        Admission::Pass(Identity {
            tenant: snapshot.tenant.id,
            extension: credential.extension.clone(),
            extension_id: extension.id,
            user_id: credential.user_id,
            device_id: credential.device_id,
            username: credential.username.clone(),
        })
    }
}

/// The extension that is registered from the flow of a request.
fn registered(own: &Registration) -> Identity {
    Identity {
        tenant: own.tenant_id,
        extension: own.extension.clone(),
        extension_id: own.extension_id,
        user_id: None,
        device_id: own.device_id,
        username: own.extension.clone(),
    }
}

impl Guard<'_> {
    /// The tenant a request is for. Inside a dialog the Request-URI is our own Contact, which names nobody: there the
    /// sender's From does.
    fn routes(&self, flow: &Flow, request: &Request, scope: Scope) -> Option<Arc<Routes>> {
        let admittance = &*self.admittance;
        let from = match scope {
            Scope::Dialog(_) => request.from().ok().and_then(|from| admittance.named(&from.uri.host())),
            Scope::OutOfDialog => None,
        };
        let tenant = from.or_else(|| admittance.tenant_of(request.uri(), flow, self.registrar))?;
        admittance.tenants.get(&tenant).cloned()
    }

    /// Looks for credentials for the tenant's realm and checks them. The same is done for a name nobody has, for one that is
    /// disabled and for one that is locked, in the same order, so that none of them can be told from a wrong password.
    fn prove<'s>(
        &mut self,
        now: Instant,
        flow: &Flow,
        snapshot: &'s TenantSnapshot,
        request: &Request,
        own: Option<&Registration>,
    ) -> Proof<'s> {
        let tenant = &snapshot.tenant;
        let Some(given) = credentials(request, tenant) else {
            self.suspect(now, flow, request);
            return Proof::Bad;
        };
        let known = std::str::from_utf8(&given.username).ok().and_then(|name| snapshot.credentials.get(name));
        let ha1 = known.map(|credential| Ha1 { md5: credential.ha1.md5, sha256: credential.ha1.sha256 });
        let right = verify(&given, request.method(), request.uri(), ha1.as_ref().unwrap_or(&self.admittance.nobody));
        let now_ms = self.now_ms(now);
        let address = source(flow.remote.ip());
        let Admittance { key, counts, sentry, .. } = &mut *self.admittance;
        let nonce = key.check(&given.nonce, &seal(&tenant.realm, address), now_ms);
        let proven = nonce != NonceVerdict::Foreign || flow.transport.is_reliable();
        let attempt = Attempt { address, account: Account::new(tenant.id, &given.username), proven };
        let extension = snapshot.extensions.get(known.map_or("", |credential| &credential.extension));
        let usable = known.zip(extension).filter(|(credential, extension)| credential.enabled && extension.enabled);
        // A phone that is registered from this very flow has proven itself; others at its address do not lock it out.
        let own = own.is_some_and(|own| known.is_some_and(|credential| credential.extension == own.extension));
        let locked = sentry.is_locked(now, &attempt) && !own;
        let doubtful = sentry.is_doubtful(now, address) && nonce == NonceVerdict::Foreign;
        match usable.filter(|_| right) {
            Some((credential, extension)) if !locked && !doubtful => {
                if nonce != NonceVerdict::Fresh || !counts.accept(&given.nonce, given.nc, now_ms) {
                    return Proof::Stale;
                }
                sentry.right(now, &attempt);
                Proof::Good(credential, extension)
            }
            Some(_) => {
                sentry.wrong(now, &attempt, None);
                Proof::Bad
            }
            None => {
                let offence = if known.is_some() { Offence::WrongPassword } else { Offence::UnknownName };
                sentry.wrong(now, &attempt, Some(offence));
                Proof::Bad
            }
        }
    }

    /// A request without credentials is what every phone sends first. Only who says to be a scanner is taken at its word.
    fn suspect(&mut self, now: Instant, flow: &Flow, request: &Request) {
        if request.headers().get(&Name::UserAgent).is_some_and(|agent| Sentry::is_scanner(&agent)) {
            let proven = flow.transport.is_reliable();
            self.admittance.sentry.offend(now, flow.remote.ip(), Offence::Scanner, proven);
        }
    }

    fn now_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.admittance.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// The To of a REGISTER, and the From of anything else, is the authenticated extension; a From may also be anonymous
    /// (RFC 3323 §4.1.1.3).
    fn speaks_for_itself(&self, tenant: TenantId, credential: &Credential, request: &Request) -> bool {
        if *request.method() == Method::Register {
            return request.to().is_ok_and(|to| to.uri.is_sip() && self.admittance.stands_for(&to, tenant, credential));
        }
        request.from().is_ok_and(|from| {
            let anonymous = from.uri.user().is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"));
            anonymous || self.admittance.stands_for(&from, tenant, credential)
        })
    }

    /// One header for each algorithm of the tenant, the preferred one first (RFC 8760 §2.3).
    fn challenge(
        &mut self,
        now: Instant,
        flow: &Flow,
        snapshot: &TenantSnapshot,
        request: &Request,
        stale: bool,
    ) -> Reply {
        let (code, name) = match policy::of(request.method()) {
            Policy::Server => (401, Name::WwwAuthenticate),
            Policy::Proxy | Policy::Never => (407, Name::ProxyAuthenticate),
        };
        let now_ms = self.now_ms(now);
        let realm = &snapshot.tenant.realm;
        let sealed = seal(realm, source(flow.remote.ip()));
        let mut reply = Reply::new(code);
        for algorithm in offered(snapshot.tenant.digest_algorithms) {
            let nonce = self.admittance.key.issue(now_ms, &sealed);
            let challenge = Challenge { stale, ..Challenge::new(realm, nonce, *algorithm) };
            reply = reply.header(name.clone(), challenge.to_bytes());
        }
        reply
    }
}

/// What a nonce is good for: one realm, at the address it was sent to. Who uses it has received it there.
fn seal(realm: &str, address: IpAddr) -> String {
    format!("{realm} {address}")
}

/// The credentials for the tenant's realm, with an algorithm that it offers.
fn credentials(request: &Request, tenant: &Tenant) -> Option<Credentials> {
    let headers = request.headers();
    let values = headers.all(&Name::Authorization).chain(headers.all(&Name::ProxyAuthorization));
    let offered = offered(tenant.digest_algorithms);
    values
        .take(limits::MAX_AUTHORIZATIONS)
        .filter_map(|value| Credentials::parse(&value).ok())
        .find(|given| given.realm == tenant.realm.as_bytes() && offered.contains(&given.algorithm))
}

/// Whether a tenant is served. One that is suspended is still let through to its emergency numbers, with the usual password.
fn is_served(snapshot: &TenantSnapshot, request: &Request) -> bool {
    let emergency = || {
        let number = request.uri().user_raw().and_then(routing::number_of_user);
        *request.method() == Method::Invite && number.is_some_and(|number| snapshot.is_emergency(&number))
    };
    match snapshot.tenant.status {
        TenantStatus::Active => true,
        TenantStatus::Suspended => emergency(),
        TenantStatus::Cancelled | TenantStatus::Deleted => false,
    }
}

fn offered(offer: DigestOffer) -> &'static [Algorithm] {
    match offer {
        DigestOffer::Md5 => &[Algorithm::Md5],
        DigestOffer::Sha256AndMd5 => &[Algorithm::Sha256, Algorithm::Md5],
        DigestOffer::Sha256 => &[Algorithm::Sha256],
    }
}
