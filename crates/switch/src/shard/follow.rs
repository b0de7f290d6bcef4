//! Follow: a dialog whose connection has broken goes on over the one its phone has come back on.
//!
//! Requests in a dialog travel on the dialog's flow. When that was a stream and has ended, the phone's new registration tells
//! where it is now: the binding of the extension at the other end with the very Contact that the dialog names. What has no such
//! binding stays where it is, and fails there.

use std::time::Instant;

use domain::TenantId;
use sip::DialogId;

use super::Shard;

impl Shard {
    /// Sees to it that a request in this dialog of the tenant has a connection to travel on, if there is one.
    pub(super) fn follow(&mut self, now: Instant, tenant: TenantId, id: DialogId) {
        let Some(dialog) = self.endpoint.dialog(id) else { return };
        if !dialog.flow().transport.is_reliable() || self.registrar.on_flow(dialog.flow()).is_some() {
            return;
        }
        let remote = &dialog.remote().uri;
        let Some(extension) = remote.user().and_then(|user| String::from_utf8(user.into_owned()).ok()) else { return };
        let is_peer = |contact: sip::Uri| contact.equivalent(dialog.target());
        let mut bindings = self.registrar.bindings(now, tenant, &extension);
        let found = bindings.find(|binding| binding.target().is_ok_and(is_peer)).map(|binding| *binding.flow());
        if let Some(flow) = found.filter(|flow| flow.transport.is_reliable()) {
            self.endpoint.move_dialog(id, flow);
        }
    }
}
