//! Name servers: the questions of [`sip::locate`] asked with hickory-resolver, which keeps answers for as long as their TTL says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip::locate::{Answer, Fault, Hop, Locate, Naptr, Question, Srv, Step};
use sip::{Transport, Uri};

use crate::limits;

/// A resolver for SIP. Cheap to clone; the copies share what they have learnt.
#[derive(Clone)]
pub struct Resolver {
    dns: TokioResolver,
}

/// The resolver cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the name servers of this machine cannot be read: {0}")]
pub struct ResolverError(#[from] NetError);

impl Resolver {
    /// With the name servers of the machine (`/etc/resolv.conf`).
    ///
    /// # Errors
    /// They cannot be read.
    pub fn of_system() -> Result<Resolver, ResolverError> {
        let mut builder = TokioResolver::builder_tokio()?;
        modest(builder.options_mut());
        Ok(Resolver { dns: builder.build()? })
    }

    /// With these name servers alone.
    ///
    /// # Errors
    /// The resolver cannot be built.
    pub fn of_servers(servers: &[SocketAddr]) -> Result<Resolver, ResolverError> {
        let server = |address: &SocketAddr| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (address.port(), address.port());
            NameServerConfig::new(address.ip(), true, vec![udp, tcp])
        };
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        modest(builder.options_mut());
        Ok(Resolver { dns: builder.build()? })
    }

    /// The places a request of `bytes` bytes for `uri` may be sent to, in the order in which they are to be tried. `random` gives a
    /// number below its argument.
    ///
    /// # Errors
    /// There is none, or no name server has answered in time.
    pub async fn locate(
        &self,
        uri: &Uri,
        can: &[Transport],
        bytes: usize,
        mut random: impl FnMut(u32) -> u32,
    ) -> Result<Vec<Hop>, Fault> {
        let mut locate = Locate::new(uri, can, bytes);
        let search = async {
            loop {
                match locate.step() {
                    Step::Done(done) => return done,
                    Step::Ask(question) => locate.answer(self.ask(&question).await, &mut random),
                }
            }
        };
        tokio::time::timeout(limits::LOCATE, search).await.unwrap_or(Err(Fault::NoServer))
    }

    async fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Naptr(name) => match self.records(name, RecordType::NAPTR).await {
                Some(records) => Answer::Naptr(records.iter().filter_map(naptr).collect()),
                None => Answer::Failed,
            },
            Question::Srv(name) => match self.records(name, RecordType::SRV).await {
                Some(records) => Answer::Srv(records.iter().filter_map(srv).collect()),
                None => Answer::Failed,
            },
            Question::Address(name) => {
                let (v4, v6) = tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
                match (v4, v6) {
                    (None, None) => Answer::Failed,
                    (v4, v6) => {
                        let records = v4.into_iter().chain(v6).flatten();
                        Answer::Addresses(records.filter_map(|record| record.ip_addr()).collect::<Vec<IpAddr>>())
                    }
                }
            }
        }
    }

    /// The records of a name; none when there is no such name, nothing when nobody has answered.
    async fn records(&self, name: &str, kind: RecordType) -> Option<Vec<RData>> {
        // With a dot at the end no search list is tried.
        match self.dns.lookup(format!("{name}."), kind).await {
            Ok(found) => Some(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if error.is_no_records_found() => Some(Vec::new()),
            Err(error) => {
                tracing::debug!(name, %kind, %error, "a name server did not answer");
                None
            }
        }
    }
}

fn modest(options: &mut ResolverOpts) {
    options.timeout = Duration::from_secs(1);
    options.attempts = 2;
    options.cache_size = limits::DNS_CACHE;
}

fn naptr(record: &RData) -> Option<Naptr> {
    let RData::NAPTR(naptr) = record else { return None };
    Some(Naptr {
        order: naptr.order,
        preference: naptr.preference,
        flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
        service: String::from_utf8_lossy(&naptr.services).into_owned(),
        replacement: naptr.replacement.to_ascii(),
    })
}

fn srv(record: &RData) -> Option<Srv> {
    let RData::SRV(srv) = record else { return None };
    Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
}
