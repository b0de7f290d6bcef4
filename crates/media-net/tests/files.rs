//! Sound files: what is played and what is recorded.

#[path = "files/kinds.rs"]
mod kinds;
#[path = "files/limits.rs"]
mod limits;
#[path = "files/recording.rs"]
mod recording;
#[path = "files/sound.rs"]
mod sound;
