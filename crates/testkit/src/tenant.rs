//! Tenants as a test wants them: domain, extensions, passwords, dialplan.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{
    Action, Audio, Credential, DialplanEntry, DialplanId, DigestOffer, Extension, ExtensionId, Ha1, SipLogin,
    SrtpPolicy, Tenant, TenantId, TenantSnapshot, TenantStatus, UserId, WebRtc,
};
use uuid::Uuid;

/// The context in which the extensions of a test tenant begin.
pub const CONTEXT: &str = "internal";

/// A change of the settings of an extension.
#[derive(Clone)]
struct Change(Arc<dyn Fn(&mut Extension)>);

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// A tenant to be.
///
/// Its realm is `<slug>.realm.test`, its domain `<slug>.test`; the password of an extension is `secret-<slug>-<number>`. Identities
/// grow from the slug, so two runs have the same ones.
#[derive(Clone, Debug)]
pub struct TenantBuilder {
    slug: String,
    is_default: bool,
    extensions: Vec<String>,
    settings: Vec<(String, Change)>,
    rows: Vec<(String, u32, Action)>,
    most_calls: u32,
    ring_timeout_s: u32,
    status: TenantStatus,
    digest: DigestOffer,
    revision: i64,
}

impl TenantBuilder {
    /// A tenant without extensions, with `*43` as its echo test.
    #[must_use]
    pub fn new(slug: &str) -> TenantBuilder {
        TenantBuilder {
            slug: slug.to_owned(),
            is_default: false,
            extensions: Vec::new(),
            settings: Vec::new(),
            rows: vec![("*43".to_owned(), 1, Action::Echo)],
            most_calls: 1_000,
            ring_timeout_s: 30,
            status: TenantStatus::Active,
            digest: DigestOffer::Md5,
            revision: 1,
        }
    }

    /// Adds extensions.
    #[must_use]
    pub fn with_extensions<S: AsRef<str>>(mut self, numbers: &[S]) -> TenantBuilder {
        self.extensions.extend(numbers.iter().map(|number| number.as_ref().to_owned()));
        self
    }

    /// Changes the settings of an extension.
    #[must_use]
    pub fn with_settings(mut self, number: &str, change: impl Fn(&mut Extension) + 'static) -> TenantBuilder {
        self.settings.push((number.to_owned(), Change(Arc::new(change))));
        self
    }

    /// Adds a dialplan row.
    #[must_use]
    pub fn with_row(mut self, exten: &str, priority: u32, action: Action) -> TenantBuilder {
        self.rows.push((exten.to_owned(), priority, action));
        self
    }

    /// Limits its concurrent calls.
    #[must_use]
    pub fn with_most_calls(mut self, most: u32) -> TenantBuilder {
        self.most_calls = most;
        self
    }

    /// How long its phones ring.
    #[must_use]
    pub fn with_ring_timeout_s(mut self, seconds: u32) -> TenantBuilder {
        self.ring_timeout_s = seconds;
        self
    }

    /// Which digest algorithms its challenges offer.
    #[must_use]
    pub fn with_digest(mut self, digest: DigestOffer) -> TenantBuilder {
        self.digest = digest;
        self
    }

    /// The tenant that requests for the machine's bare address belong to.
    #[must_use]
    pub fn by_default(mut self) -> TenantBuilder {
        self.is_default = true;
        self
    }

    /// The same tenant with another status, as a later revision.
    #[must_use]
    pub fn with_status(mut self, status: TenantStatus) -> TenantBuilder {
        self.status = status;
        self
    }

    /// The next revision.
    #[must_use]
    pub fn next_revision(mut self) -> TenantBuilder {
        self.revision += 1;
        self
    }

    /// Short name.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Main domain.
    #[must_use]
    pub fn domain(&self) -> String {
        format!("{}.test", self.slug)
    }

    /// Digest realm.
    #[must_use]
    pub fn realm(&self) -> String {
        format!("{}.realm.test", self.slug)
    }

    /// Password of an extension.
    #[must_use]
    pub fn password(&self, number: &str) -> String {
        format!("secret-{}-{number}", self.slug)
    }

    /// Identity.
    #[must_use]
    pub fn id(&self) -> TenantId {
        TenantId(self.uuid("tenant", ""))
    }

    /// The picture of it that the switch gets.
    #[must_use]
    pub fn snapshot(&self) -> Arc<TenantSnapshot> {
        let mut credentials = HashMap::new();
        let mut extensions = HashMap::new();
        for number in &self.extensions {
            let user_id = Some(UserId(self.uuid("user", number)));
            let credential = Credential {
                username: number.clone(),
                ha1: Ha1::new(number, &self.realm(), &self.password(number)),
                user_id,
                device_id: None,
                extension: number.clone(),
                enabled: true,
            };
            let mut extension = Extension {
                display_name: Some(format!("Phone {number}")),
                user_id,
                // The phones of the simulation are no browsers, whatever they come over, and hear keys as they were sent.
                audio: Audio { webrtc: WebRtc::Off, srtp: SrtpPolicy::Off, ..Audio::default() },
                ..Extension::new(ExtensionId(self.uuid("extension", number)), number, CONTEXT)
            };
            for (_, change) in self.settings.iter().filter(|(of, _)| of == number) {
                change.0(&mut extension);
            }
            credentials.insert(number.clone(), credential);
            extensions.insert(number.clone(), extension);
        }
        let mut dialplan: Vec<DialplanEntry> = self
            .rows
            .iter()
            .map(|(exten, priority, action)| DialplanEntry {
                id: DialplanId(self.uuid("dialplan", &format!("{exten}/{priority}"))),
                context: CONTEXT.to_owned(),
                exten: exten.clone(),
                priority: *priority,
                action: action.clone(),
            })
            .collect();
        dialplan.sort_by(|one, other| (&one.exten, one.priority).cmp(&(&other.exten, other.priority)));
        Arc::new(TenantSnapshot { tenant: self.tenant(), revision: self.revision, credentials, extensions, dialplan })
    }

    fn tenant(&self) -> Tenant {
        Tenant {
            id: self.id(),
            name: format!("The {} company", self.slug),
            slug: self.slug.clone(),
            realm: self.realm(),
            domain: self.domain(),
            domains: Vec::new(),
            is_default: self.is_default,
            status: self.status,
            sip_login: SipLogin::Number,
            digest_algorithms: self.digest,
            timezone: "Europe/Paris".to_owned(),
            locale: "en".to_owned(),
            max_concurrent_calls: self.most_calls,
            ring_timeout_s: self.ring_timeout_s,
            emergency_numbers: vec!["112".to_owned()],
        }
    }

    /// An identity that is the same in every run.
    fn uuid(&self, kind: &str, name: &str) -> Uuid {
        // FNV-1a in two widths: nothing depends on it but being different for different names.
        let text = format!("{kind}/{}/{name}", self.slug);
        let hash = |seed: u64| {
            text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
        };
        Uuid::from_u64_pair(hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15))
    }
}

#[cfg(test)]
mod tests {
    use super::TenantBuilder;

    #[test]
    fn identities_repeat_and_differ() {
        let [alpha, again, beta] =
            ["alpha", "alpha", "beta"].map(|slug| TenantBuilder::new(slug).with_extensions(&["1001", "1002"]));
        assert_eq!(alpha.snapshot(), again.snapshot());
        let (one, other) = (alpha.snapshot(), beta.snapshot());
        assert_ne!(one.tenant.id, other.tenant.id);
        assert_ne!(one.extensions["1001"].id, other.extensions["1001"].id);
        assert_ne!(one.extensions["1001"].id, one.extensions["1002"].id);
    }
}
