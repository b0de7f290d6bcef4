//! What a message must have before anything is done with it.

use super::{Headers, Request, Response};
use crate::error::Error;
use crate::header::{CSeq, MaxForwards, Name};

/// The fields that stand in a message once (RFC 3261 §8.1.1, §20.14).
const SINGLE: [Name; 6] = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentType];

pub(super) fn request(request: &Request) -> Result<(), Error> {
    if let Some(fault) = request.fault {
        return Err(fault);
    }
    if request.uri.headers().next().is_some() {
        return Err(Error::Violation { header: "Request-URI", why: "has headers" });
    }
    request.via()?;
    request.from()?;
    request.to()?;
    request.call_id()?;
    let cseq: CSeq = request.cseq()?;
    if cseq.method != request.method {
        return Err(Error::Violation { header: "CSeq", why: "names another method than the start line" });
    }
    // Max-Forwards is mandatory since RFC 3261; older phones leave it out and are served.
    if let Some(hops) = request.headers.typed::<MaxForwards>() {
        hops?;
    }
    single(&request.headers)
}

pub(super) fn response(response: &Response) -> Result<(), Error> {
    response.via()?;
    response.from()?;
    response.to()?;
    response.call_id()?;
    response.cseq()?;
    single(&response.headers)
}

fn single(headers: &Headers) -> Result<(), Error> {
    match SINGLE.iter().find(|name| headers.count(name) > 1) {
        Some(name) => Err(Error::Violation { header: name.label(), why: "stands there more than once" }),
        None => Ok(()),
    }
}
