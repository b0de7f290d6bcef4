//! SIP without I/O: message, transaction, dialog, digest, endpoint.
