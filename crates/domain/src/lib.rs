//! The nouns of YakYak.
