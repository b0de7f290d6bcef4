// What runs in the page: JsSIP as it is, on a peer connection of straw.
//
// Encrypted media is not what this test is about. Everything that JsSIP says over the WebSocket is its own; only the session
// description, which Chromium would write as UDP/TLS/RTP/SAVPF, is replaced by a plain one for the address that the test gives.

window.install = (media) => {
  const description = () => [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
    `m=audio ${media} RTP/AVP 8 0 101`, 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000', 'a=sendrecv', '',
  ].join('\r\n');

  window.RTCPeerConnection = class extends EventTarget {
    constructor() {
      super();
      this.iceGatheringState = 'complete';
      this.iceConnectionState = 'new';
      this.signalingState = 'stable';
      this.connectionState = 'new';
      this.localDescription = null;
      this.remoteDescription = null;
    }
    addTrack() {}
    addStream() {}
    close() { this.signalingState = 'closed'; }
    getSenders() { return []; }
    getReceivers() { return []; }
    createOffer() { return Promise.resolve({ type: 'offer', sdp: description() }); }
    createAnswer() { return Promise.resolve({ type: 'answer', sdp: description() }); }
    setLocalDescription(given) { this.localDescription = given; return Promise.resolve(); }
    setRemoteDescription(given) { this.remoteDescription = given; return Promise.resolve(); }
  };
  window.RTCSessionDescription = class {
    constructor({ type, sdp }) { Object.assign(this, { type, sdp }); }
  };
};

window.start = ({ url, user, domain, password }) => {
  const say = (event, more = {}) => window.tell({ event, ...more });
  const phone = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)],
    uri: `sip:${user}@${domain}`,
    password,
    register: true,
    session_timers: true,
  });
  const with_media = { mediaStream: new MediaStream() };
  phone.on('connected', () => say('connected'));
  phone.on('disconnected', () => say('disconnected'));
  phone.on('registered', () => say('registered'));
  phone.on('unregistered', () => say('unregistered'));
  phone.on('registrationFailed', ({ cause }) => say('refused', { cause }));
  phone.on('newRTCSession', ({ originator, session, request }) => {
    window.session = session;
    session.on('progress', () => say('progress'));
    session.on('confirmed', () => say('confirmed'));
    session.on('failed', ({ cause, message }) => say('failed', { cause, code: message?.status_code ?? 0 }));
    session.on('ended', ({ cause, originator }) => say('ended', { cause, by: originator }));
    if (originator === 'remote') say('rings', { from: request.from.uri.user });
  });
  // JsSIP says no while its last change is under way.
  const until_done = (change) => {
    const timer = setInterval(() => { if (change()) clearInterval(timer); }, 50);
  };
  window.act = {
    call: ({ number }) => { phone.call(`sip:${number}@${domain}`, with_media); },
    answer: () => { window.session.answer(with_media); },
    // Said once the other side has agreed: JsSIP reports both when it only asks, and is lost when it hangs up before the answer.
    hold: () => { until_done(() => window.session.hold({}, () => say('held'))); },
    resume: () => { until_done(() => window.session.unhold({}, () => say('resumed'))); },
    key: ({ key }) => { window.session.sendDTMF(key, { transportType: 'INFO' }); },
    // An answer to a re-INVITE that comes after the end is more than JsSIP can bear.
    hang_up: () => {
      const { session } = window;
      until_done(() => {
        if (session.isEstablished() && !session.isReadyToReOffer()) return false;
        session.terminate();
        return true;
      });
    },
    unregister: () => { phone.unregister(); },
    stop: () => { phone.stop(); },
  };
  phone.start();
};
