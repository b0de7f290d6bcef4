//! One test per row (state × input × timer) of figures 5 to 8 of RFC 3261 as changed by RFC 6026. Every test compares
//! everything the machine did, with the millisecond at which it did it.

mod transaction {
    mod bench;
    mod client;
    mod invite_client;
    mod invite_server;
    mod provisional;
    mod server;
}
