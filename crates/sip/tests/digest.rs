//! Digest authentication from outside: what is read, what is written, what is believed.

mod digest {
    mod client;
    mod replay;
    mod value;
    mod verify;
}
