//! Admission: who may make state, decided before any exists.
//!
//! ```text
//! request ─▶ tenant of the Request-URI ─▶ digest on the tenant's realm ─▶ may this login say what it says? ─▶ Identity
//!                 │ none: 403                │ no: 401 or 407                 │ no: 403
//! ```
//!
//! Every method is authenticated, according to one table ([`policy`]). Whoever does not pass is answered statelessly, and
//! learns nothing: a name that does not exist, a wrong password and a disabled login get the same bytes after the same work.
//!
//! The one request that passes without a digest is an OPTIONS over the flow of a registered phone, which is how phones keep
//! their NAT open; its answer says nothing that the phone does not know.

use std::sync::Arc;
use std::time::Instant;

use domain::{DeviceId, ExtensionId, TenantId, TenantSnapshot, TenantStatus, UserId};
use sip::header::NameAddr;
use sip::{Admission, Flow, Gate, Host, Method, Reply, Request, Scheme, Scope, Uri};

mod digest;
mod directory;
pub mod policy;

use crate::registrar::Registrar;
use crate::routing::Routes;
use crate::verdict::Ending;
use digest::{Examiner, Proof};
use directory::Directory;
use policy::Policy;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Tenant.
    pub tenant: TenantId,
    /// Number of the extension that the sender registers and calls as.
    pub extension: String,
    /// That extension.
    pub extension_id: ExtensionId,
    /// The person behind the login.
    pub user_id: Option<UserId>,
    /// The device, when the login is the device's own.
    pub device_id: Option<DeviceId>,
    /// What the digest named, or the extension's number where a registered flow stood in for it.
    pub username: String,
}

/// The tenants of a shard, and what it takes to know their phones.
pub struct Admittance {
    directory: Directory,
    examiner: Examiner,
}

/// The gate before the endpoint: tenants and logins on one side, live bindings on the other.
pub struct Doorkeeper<'a> {
    admittance: &'a mut Admittance,
    registrar: &'a Registrar,
}

impl Admittance {
    /// An admittance without tenants. Nonces are sealed with `secret` and count time from `now`.
    #[must_use]
    pub fn new(now: Instant, secret: [u8; 32]) -> Self {
        Self { directory: Directory::default(), examiner: Examiner::new(now, secret) }
    }

    /// Takes a tenant as it is now.
    pub fn put(&mut self, snapshot: Arc<TenantSnapshot>) {
        self.directory.put(snapshot);
    }

    /// Forgets a tenant.
    pub fn remove(&mut self, tenant: TenantId) {
        self.directory.remove(tenant);
    }

    /// The compiled snapshot of a tenant.
    #[must_use]
    pub fn tenant(&self, tenant: TenantId) -> Option<&Arc<Routes>> {
        self.directory.tenant(tenant)
    }

    /// The gate for one message.
    pub fn gate<'a>(&'a mut self, registrar: &'a Registrar) -> Doorkeeper<'a> {
        Doorkeeper { admittance: self, registrar }
    }
}

impl Gate<Identity> for Doorkeeper<'_> {
    fn admit(&mut self, now: Instant, flow: &Flow, request: &Request, scope: Scope) -> Admission<Identity> {
        let policy = policy::of(request.method());
        if policy == Policy::Never {
            return Admission::Drop;
        }
        let Some(routes) = self.tenant(flow, request, scope) else { return refuse(Ending::BadDomain) };
        let snapshot = Arc::clone(routes.snapshot());
        if *request.method() == Method::Options
            && let Some(identity) = self.registered(flow, &snapshot)
        {
            return Admission::Pass(identity);
        }
        let credential = match self.admittance.examiner.examine(now, request, policy, &snapshot) {
            Proof::Right(credential) => credential,
            Proof::Wanting(challenge) => return Admission::Refuse(challenge),
        };
        let Some(extension) = snapshot.extensions.get(&credential.extension) else {
            return refuse(Ending::ForeignIdentity);
        };
        let identity = Identity {
            tenant: snapshot.tenant.id,
            extension: extension.number.clone(),
            extension_id: extension.id,
            user_id: credential.user_id,
            device_id: credential.device_id,
            username: credential.username.clone(),
        };
        match self.entitled(&identity, request, scope) {
            Ok(()) => Admission::Pass(identity),
            Err(refusal) => refuse(refusal),
        }
    }
}

impl Doorkeeper<'_> {
    /// The active tenant that a request is for: by the domain of its Request-URI; where that is only an address or a
    /// number, by the phone that is registered over the flow; otherwise the default tenant.
    ///
    /// In a dialog the Request-URI is our own Contact and names no domain. A phone whose flow has changed is then placed by
    /// the domain of its From, since it must be asked for the password of its own realm.
    fn tenant(&self, flow: &Flow, request: &Request, scope: Scope) -> Option<&Arc<Routes>> {
        let directory = &self.admittance.directory;
        let uri = request.uri();
        let routes = match (uri.scheme(), uri.host()) {
            (Scheme::Sip | Scheme::Sips, Host::Name(_)) => directory.by_domain(uri.host_raw()),
            (Scheme::Other(_), _) => None,
            // A number without a domain, or an address that only says where the packet went.
            (Scheme::Tel, _) | (Scheme::Sip | Scheme::Sips, Host::V4(_) | Host::V6(_)) => {
                let registered = self.registrar.on_flow(flow).map(|binding| binding.registration().tenant_id);
                let from = || match scope {
                    Scope::Dialog => request.from().ok().and_then(|from| directory.by_domain(from.uri.host_raw())),
                    Scope::OutOfDialog => None,
                };
                registered
                    .and_then(|tenant| directory.tenant(tenant))
                    .or_else(from)
                    .or_else(|| directory.default_tenant())
            }
        }?;
        (routes.snapshot().tenant.status == TenantStatus::Active).then_some(routes)
    }

    /// The phone of this tenant that is registered over the flow.
    fn registered(&self, flow: &Flow, snapshot: &TenantSnapshot) -> Option<Identity> {
        let registration = self.registrar.on_flow(flow)?.registration();
        if registration.tenant_id != snapshot.tenant.id {
            return None;
        }
        let extension = snapshot.extensions.get(&registration.extension)?;
        Some(Identity {
            tenant: registration.tenant_id,
            extension: registration.extension.clone(),
            extension_id: registration.extension_id,
            user_id: extension.user_id,
            device_id: registration.device_id,
            username: registration.extension.clone(),
        })
    }

    /// Whether a request says it is from, or registers for, somebody else than who authenticated.
    fn entitled(&self, identity: &Identity, request: &Request, scope: Scope) -> Result<(), Ending> {
        let claim = match (scope, request.method()) {
            // Inside a dialog From and To are those of the dialog, which were judged when it began.
            (Scope::Dialog, _) => return Ok(()),
            (Scope::OutOfDialog, Method::Register) => request.to(),
            (Scope::OutOfDialog, _) => match request.from() {
                Ok(from) if is_anonymous(&from) => return Ok(()),
                from => from,
            },
        };
        let claim = claim.map_err(|_| Ending::BadRequest)?;
        if self.is_own(identity, &claim.uri) { Ok(()) } else { Err(Ending::ForeignIdentity) }
    }

    /// Whether a URI is the address of record of the identity: its extension's number or its login, at a domain of its tenant
    /// or at a bare address, which phones write that were given nothing but the address of the server.
    fn is_own(&self, identity: &Identity, uri: &Uri) -> bool {
        let Some(user) = uri.user() else { return false };
        let named = *user == *identity.extension.as_bytes() || *user == *identity.username.as_bytes();
        let at_home = match uri.host() {
            Host::V4(_) | Host::V6(_) => true,
            Host::Name(_) => {
                let tenant = self.admittance.directory.by_domain(uri.host_raw());
                tenant.is_some_and(|routes| routes.snapshot().tenant.id == identity.tenant)
            }
        };
        uri.is_sip() && named && at_home
    }
}

/// A caller that does not want to be known (RFC 3323 §4.1.1.3). We know it all the same: it has authenticated.
fn is_anonymous(from: &NameAddr) -> bool {
    from.uri.is_sip() && from.uri.user().is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"))
}

fn refuse(refusal: Ending) -> Admission<Identity> {
    Admission::Refuse(Reply::new(refusal.verdict().sip))
}
