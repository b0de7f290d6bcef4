//! What a message must have before anything is done with it.

use super::{Headers, Request, Response};
use crate::error::Error;
use crate::header::{CSeq, MaxForwards, Name, Via};

const SINGLE_FIELDS: usize = 6;

/// The fields that stand in a message once (RFC 3261 §8.1.1, §20.14).
static SINGLE: [Name; SINGLE_FIELDS] =
    [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentType];

pub(super) fn request(request: &Request) -> Result<(), Error> {
    if let Some(fault) = request.fault {
        return Err(fault);
    }
    if request.uri.headers().next().is_some() {
        return Err(Error::Violation { header: "Request-URI", why: "has headers" });
    }
    // Answers carry every Via back: one that cannot be read is not for us to pass on (RFC 4475 §3.1.2.1).
    request.via()?;
    request.headers.typed_all::<Via>().skip(1).try_for_each(|via| via.map(|_| ()))?;
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
    let mut seen = [false; SINGLE_FIELDS];
    for id in headers.fields.iter().map(|field| field.id) {
        let Some(at) = SINGLE.iter().position(|name| name.id() == id) else { continue };
        if seen[at] {
            return Err(Error::Violation { header: SINGLE[at].label(), why: "stands there more than once" });
        }
        seen[at] = true;
    }
    Ok(())
}
