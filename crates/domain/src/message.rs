//! Messages: SIP MESSAGE (RFC 3428) to an extension without a phone, kept until one registers.

use jiff::Timestamp;

use crate::{ExtensionId, MessageId, TenantId};

/// Bytes that the body of a message may have.
pub const MAX_MESSAGE_BODY: usize = 8_192;

/// A message that waits for a phone of an extension.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Identity, a UUIDv7: in order of sending.
    pub id: MessageId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The extension it is for.
    pub extension_id: ExtensionId,
    /// Number of the extension that sent it.
    pub sender: String,
    /// Name of the sender.
    pub sender_name: Option<String>,
    /// Content-Type, as the sender wrote it.
    pub content_type: String,
    /// The body, [`MAX_MESSAGE_BODY`] bytes at the most.
    pub body: Vec<u8>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it is thrown away, delivered or not.
    pub expires_at: Timestamp,
}

/// What was written is nobody's business but the receiver's.
impl std::fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredMessage")
            .field("id", &self.id)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What became of a message that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the database.
    Stored,
    /// As many messages as may wait for one extension wait already.
    Full,
    /// The database did not take it.
    Failed,
}
