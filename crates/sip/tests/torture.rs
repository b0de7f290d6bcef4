//! The torture suite: messages of our own after every section of RFC 4475 and RFC 5118, how each is read as a datagram and
//! as a stream, and what the endpoint answers. `tests/e2e/torture.rs` sends the same table to the real program.

#[path = "torture/table.rs"]
mod table;

mod torture {
    mod answers;
    mod reading;
}
