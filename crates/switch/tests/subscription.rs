//! Do lamps show what is so? Phones that subscribe, publish and are told, on a virtual clock and a network of our own.

#[path = "subscription/desk.rs"]
mod desk;

#[path = "subscription/dialog.rs"]
mod dialog;
#[path = "subscription/lifetime.rs"]
mod lifetime;
#[path = "subscription/mailbox.rs"]
mod mailbox;
#[path = "subscription/many.rs"]
mod many;
#[path = "subscription/presence.rs"]
mod presence;
#[path = "subscription/publish.rs"]
mod publish;
#[path = "subscription/refusal.rs"]
mod refusal;
#[path = "subscription/registrations.rs"]
mod registrations;
#[path = "subscription/restart.rs"]
mod restart;
#[path = "subscription/streams.rs"]
mod streams;
