//! The message layer from outside: what is read, what is refused, what is written.

mod message {
    mod building;
    mod corpus;
    mod framing;
    mod headers;
    mod properties;
    mod stream;
    mod uri;
}
