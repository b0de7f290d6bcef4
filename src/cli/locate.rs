//! `yakyak locate`: where a request for a URI would be sent, and in which order.

use std::net::SocketAddr;

use anyhow::Result;
use rand_core::{OsRng, TryRngCore as _};
use serde::Serialize;
use sip::{Transport, Uri};
use sip_net::Resolver;

use super::output;
use crate::exit::Refusal;

/// The transports that lead to other servers; WebSocket is for browsers.
const CAN: &[Transport] = &[Transport::Udp, Transport::Tcp, Transport::Tls];

#[derive(Serialize)]
struct Row {
    transport: &'static str,
    address: SocketAddr,
}

pub(super) fn run(uri: &str, server: Option<SocketAddr>, bytes: usize, json: bool) -> Result<()> {
    let read = uri.parse::<Uri>().ok().filter(Uri::is_sip);
    let read = read.ok_or_else(|| Refusal::new(format!("{uri}: not a SIP URI; write one like sip:carrier.example")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let hops = runtime.block_on(async {
        let resolver = match server {
            Some(server) => Resolver::of_servers(&[server])?,
            None => Resolver::of_system()?,
        };
        let chance = |below: u32| OsRng.try_next_u32().unwrap_or(0) % below.max(1);
        anyhow::Ok(resolver.locate(&read, CAN, bytes, chance).await)
    })?;
    let hops = hops.map_err(|fault| Refusal::new(format!("{uri}: {fault}")))?;
    let rows: Vec<Row> =
        hops.iter().map(|hop| Row { transport: hop.transport.as_str(), address: hop.address }).collect();
    output::list(json, &rows, &["transport", "address"], |row| vec![row.transport.to_owned(), row.address.to_string()])
}
