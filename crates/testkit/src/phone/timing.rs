//! What a phone does because time passes.

use std::time::Instant;

use super::Phone;
use super::talk::Stage;
use super::transaction::{Due, Waiting};
use crate::network::Datagram;

impl Phone {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_gone {
            return;
        }
        self.serve_clients(now);
        self.serve_servers(now);
        for call in 0..self.talks.len() {
            self.serve_talk(now, call);
        }
        if self.registration.refresh_at.is_some_and(|at| at <= now) {
            self.registration.refresh_at = None;
            self.register(now, self.setup.expires);
        }
        if self.registration.until.is_some_and(|until| until <= now) {
            self.registration.until = None;
        }
    }

    /// When [`Phone::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_gone {
            return None;
        }
        let clients = self.clients.iter().map(super::Client::poll_timeout);
        let servers = self.servers.iter().map(super::Server::poll_timeout);
        let talks = self.talks.iter().filter_map(super::Talk::poll_timeout);
        clients.chain(servers).chain(talks).chain(self.registration.until).chain(self.registration.refresh_at).min()
    }

    fn serve_clients(&mut self, now: Instant) {
        let mut place = 0;
        while place < self.clients.len() {
            match self.clients[place].handle_timeout(now) {
                Due::Nothing => place += 1,
                Due::Send(bytes) => {
                    self.send(bytes);
                    place += 1;
                }
                Due::Forget => drop(self.clients.swap_remove(place)),
                Due::TimedOut => {
                    let purpose = self.clients.swap_remove(place).purpose;
                    self.concluded(now, purpose, 408, None);
                }
            }
        }
    }

    fn serve_servers(&mut self, now: Instant) {
        let mut place = 0;
        while place < self.servers.len() {
            match self.servers[place].handle_timeout(now) {
                Waiting::Nothing => place += 1,
                Waiting::Send(bytes) => {
                    self.send(bytes);
                    place += 1;
                }
                Waiting::Forget => drop(self.servers.swap_remove(place)),
                Waiting::NoAck => {
                    let server = self.servers.swap_remove(place);
                    let open = server.call.filter(|call| self.talks[*call].stage == Stage::Talking);
                    if let Some(call) = open {
                        self.talks[call].left = true;
                        self.bye(now, call);
                    }
                }
            }
        }
    }

    fn serve_talk(&mut self, now: Instant, call: usize) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.talks[call].react_at) {
            self.talks[call].react_at = None;
            self.react(now, call);
        }
        if due(self.talks[call].wants_change) {
            self.ask_to_change(now, call);
        }
        if due(self.talks[call].timer.refresh_at) {
            self.refresh_session(now, call);
        }
        if due(self.talks[call].timer.expires_at) {
            self.session_expired(now, call);
        }
        if due(self.talks[call].hang_up_at) {
            self.talks[call].hang_up_at = None;
            self.hang_up(now, call);
        }
        let (port, speech) = (self.talks[call].port + self.setup.shift(), &self.speech);
        if let Some((to, bytes)) = self.talks[call].packet(now, speech).filter(|_| self.manner.speaks) {
            let mut from = self.setup.address;
            from.set_port(port);
            self.outbox.push_back(Datagram { from, to, bytes });
        }
    }
}
