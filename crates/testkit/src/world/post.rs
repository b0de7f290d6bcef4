//! Post: the messages that a simulated store keeps, and the verbs to write some.

use std::collections::BTreeSet;

use domain::{ExtensionId, Kept, MessageId, StoredMessage, TenantId};
use switch::Input;

use super::handset::Handset;
use crate::phone::letter::Letters;

/// Messages read at once.
const PAGE: usize = 3;

/// What the store holds, and how it is today.
#[derive(Debug)]
pub struct Post {
    /// All that was kept, in order.
    pub kept: Vec<StoredMessage>,
    /// Those that a phone has taken; no message is marked twice.
    pub delivered: BTreeSet<MessageId>,
    /// What the store says when a message is to be kept; nothing when it is away.
    pub says: Option<Kept>,
    /// How often it was asked for messages.
    pub asked: usize,
}

impl Default for Post {
    fn default() -> Self {
        Self { kept: Vec::new(), delivered: BTreeSet::new(), says: Some(Kept::Stored), asked: 0 }
    }
}

impl Post {
    /// The bodies of what waits.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        let waiting = self.kept.iter().filter(|message| !self.delivered.contains(&message.id));
        waiting.map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
    }

    /// Takes a message.
    pub(super) fn keep(&mut self, message: StoredMessage) -> Option<Input> {
        let (id, kept) = (message.id, self.says?);
        if kept == Kept::Stored {
            self.kept.push(message);
        }
        Some(Input::MessageKept { id, kept })
    }

    /// A page of what waits for an extension.
    pub(super) fn fetch(&mut self, tenant: TenantId, extension: ExtensionId, after: Option<MessageId>) -> Input {
        self.asked += 1;
        let wanted = |message: &&StoredMessage| {
            (message.tenant_id, message.extension_id) == (tenant, extension)
                && after.is_none_or(|after| message.id > after)
                && !self.delivered.contains(&message.id)
        };
        let messages = self.kept.iter().filter(wanted).take(PAGE).cloned().collect();
        Input::Messages { tenant, extension, messages: self.says.map(|_| messages) }
    }

    /// A phone has a message.
    ///
    /// # Panics
    /// It is marked for the second time.
    pub(super) fn deliver(&mut self, id: MessageId) {
        assert!(self.delivered.insert(id), "{id} was marked as delivered twice");
    }
}

impl Handset<'_> {
    /// Writes to a number.
    pub fn writes(self, to: &str, text: &str) -> Self {
        self.does_now(|phone, now| phone.write(now, to, "text/plain", text))
    }

    /// From now on it takes messages in this way.
    pub fn takes_letters(self, letters: Letters) -> Self {
        self.manner(|manner| manner.letters = letters)
    }
}
