//! The brain: registrar, admission, routing, calls, features.
