//! SIP: whatever comes in a datagram is read or refused, and what is read can be written again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip::header::{ContactValue, NameAddr, Reason, Route, Via};
use sip::{Header, Message, Name, RequestBuilder, ResponseBuilder};

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::parse_datagram(Bytes::copy_from_slice(data)) else { return };
    let headers = message.headers();
    read_again::<Via>(&message);
    read_again::<ContactValue>(&message);
    read_again::<Route>(&message);
    read_again::<Reason>(&message);
    for (_, value) in headers.iter() {
        let _ = NameAddr::parse(&value);
    }
    let _ = (headers.values(&Name::Allow).count(), headers.tokens(&Name::Supported));
    match &message {
        Message::Request(request) => {
            let _ = request.validate();
            assert!(request.uri().equivalent(request.uri()));
            let mut builder = RequestBuilder::new(request.method().clone(), request.uri());
            for (name, value) in headers.iter() {
                builder = builder.named(&name, value);
            }
            let built = builder.build();
            assert!(Message::parse_datagram(built.bytes().clone()).is_ok());
        }
        Message::Response(response) => {
            let _ = response.validate();
            let built = ResponseBuilder::new(response.code(), None).build();
            assert!(Message::parse_datagram(built.bytes().clone()).is_ok());
        }
    }
});

fn read_again<H: Header>(message: &Message) {
    for value in message.headers().typed_all::<H>().flatten() {
        assert!(H::parse(&value.to_bytes()).is_ok());
    }
}
