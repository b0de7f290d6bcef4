//! Perform: one step of a call, and then what it wanted done.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use sip::header::Reason;
use sip::{DialogId, Failure, Header, Method, Name, Reply};

use super::{Output, Shard};
use crate::call::effect::{Context, Effect};
use crate::call::{Call, CallKey, Input, Setup, Standing};

impl Shard {
    /// Runs `work` with everything a call may look at. `None` when it panicked; then nothing it wanted is done.
    fn guarded<T>(
        &mut self,
        now: Instant,
        key: CallKey,
        tenant: domain::TenantId,
        work: impl FnOnce(&mut Context<'_>) -> T,
    ) -> Option<(T, Vec<Effect>)> {
        let mut effects = Vec::new();
        let armed = self.fault.take_if(|fault| *fault == key).is_some();
        let mut cx = Context {
            now,
            at: self.clock.at(now),
            routes: self.admittance.tenant(tenant).map(|routes| &**routes),
            registrar: &self.registrar,
            qualify: &self.qualify,
            settings: &self.settings,
            lines: self.calls.lines(),
            ids: &mut self.ids,
            effects: &mut effects,
        };
        // What a panic leaves behind in these references is a source of random numbers, good at any point, and a list that is
        // thrown away.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let done = work(&mut cx);
            assert!(!armed, "an injected fault");
            done
        }));
        done.ok().map(|done| (done, effects))
    }

    /// Makes the call of an INVITE; false when that went wrong.
    pub(super) fn open(&mut self, now: Instant, setup: &Setup<'_>) -> bool {
        let Some((call, effects)) = self.guarded(now, setup.key, setup.identity.tenant, |cx| Call::new(cx, setup))
        else {
            self.respond(now, setup.server, Reply::new(500));
            return false;
        };
        self.calls.insert(setup.key, call, setup.server, setup.dialog);
        self.perform(now, setup.key, effects);
        true
    }

    /// One thing happens to one call.
    pub(super) fn step(&mut self, now: Instant, key: CallKey, input: Input) {
        if let Input::Request { server, .. } = &input {
            self.calls.owe(key, *server);
        }
        self.run(now, key, |call, cx| call.handle(cx, input));
    }

    /// Something is done to one call, and then whatever comes of it. A panic ends that call and nothing else.
    pub(super) fn run(&mut self, now: Instant, key: CallKey, work: impl FnOnce(&mut Call, &mut Context<'_>)) {
        let Some(mut failures) = self.run_once(now, key, work) else { return };
        while let Some(input) = failures.pop_front() {
            match self.run_once(now, key, |call, cx| call.handle(cx, input)) {
                Some(more) => failures.extend(more),
                None => return,
            }
        }
    }

    fn run_once(
        &mut self,
        now: Instant,
        key: CallKey,
        work: impl FnOnce(&mut Call, &mut Context<'_>),
    ) -> Option<VecDeque<Input>> {
        let tenant = self.calls.tenant(key)?;
        let mut call = self.calls.take(key)?;
        let before = call.standing();
        let effects = match self.guarded(now, key, tenant, |cx| work(&mut call, cx)) {
            Some(((), effects)) => effects,
            None => self.salvage(now, key, &mut call, before),
        };
        let failures = self.perform(now, key, effects);
        self.calls.put(key, call);
        Some(failures.into())
    }

    /// Ends what a call that panicked has left standing, by the table's own knowledge.
    fn salvage(&mut self, now: Instant, key: CallKey, call: &mut Call, before: Standing) -> Vec<Effect> {
        let tenant = call.tenant();
        if let Some(held) = self.calls.holdings(key) {
            for server in held.servers {
                self.respond(now, server, Reply::new(500));
                self.calls.settle(key, server);
            }
            for client in held.clients {
                self.endpoint.cancel(now, client, None);
            }
            for dialog in held.dialogs {
                self.bye(now, dialog, None);
            }
        }
        self.guarded(now, key, tenant, |cx| call.abandon(cx, before)).map(|((), effects)| effects).unwrap_or_default()
    }

    /// Does what a step wanted; returns what the call must hear about it.
    fn perform(&mut self, now: Instant, key: CallKey, effects: Vec<Effect>) -> Vec<Input> {
        let mut failures = Vec::new();
        for effect in effects {
            match effect {
                Effect::Respond { server, reply } => {
                    if reply.code >= 200 {
                        self.calls.settle(key, server);
                    }
                    self.respond(now, server, reply);
                }
                Effect::Invite { request, outgoing } => {
                    self.tell_leg(key, outgoing.call_id.as_ref());
                    match self.endpoint.invite(now, *outgoing) {
                        Ok(client) => self.calls.own_request(key, request, client),
                        Err(_) => failures.push(Input::Failed { request, why: Failure::Transport }),
                    }
                }
                Effect::InDialog { request, dialog, method, headers, body } => {
                    self.follow_peer(now, key, dialog);
                    match self.endpoint.in_dialog(now, dialog, method, headers, body) {
                        Ok(client) => self.calls.own_request(key, request, client),
                        Err(_) => failures.push(Input::Failed { request, why: Failure::Transport }),
                    }
                }
                Effect::Cancel { request, reason } => {
                    if let Some(client) = self.calls.client(key, request) {
                        self.endpoint.cancel(now, client, reason);
                    }
                }
                Effect::Release { request } => self.calls.release(key, request),
                Effect::Ack { dialog } => self.endpoint.ack(now, dialog, None),
                Effect::Bye { dialog, reason } => {
                    self.follow_peer(now, key, dialog);
                    self.bye(now, dialog, reason.as_ref());
                }
                Effect::Forget { dialog } => {
                    self.endpoint.forget(dialog);
                    self.calls.disown(key, dialog);
                }
                Effect::Media(command) => self.outputs.push_back(Output::Media(command)),
                Effect::Journal(entry) => self.outputs.push_back(Output::Journal(entry)),
            }
        }
        failures
    }

    /// Says which call a new leg belongs to, before its first message leaves.
    fn tell_leg(&mut self, key: CallKey, sip_call_id: Option<&Bytes>) {
        if let (Some((tenant, call)), Some(sip_call_id)) = (self.calls.record(key), sip_call_id) {
            self.outputs.push_back(Output::Leg { tenant, call, sip_call_id: sip_call_id.clone() });
        }
    }

    fn follow_peer(&mut self, now: Instant, key: CallKey, dialog: DialogId) {
        if let Some(tenant) = self.calls.tenant(key) {
            self.follow(now, tenant, dialog);
        }
    }

    /// Ends a dialog, whatever state it is in.
    pub(super) fn bye(&mut self, now: Instant, dialog: DialogId, reason: Option<&Reason>) {
        let headers: Vec<(Name, Bytes)> = reason.map(|reason| (Name::Reason, reason.to_bytes())).into_iter().collect();
        if self.endpoint.in_dialog(now, dialog, Method::Bye, headers, None).is_err() {
            self.endpoint.forget(dialog);
        }
    }
}
