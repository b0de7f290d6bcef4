//! Virtual phones, virtual clock, bad network and builders for tests.
