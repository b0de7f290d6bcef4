// A phone in a page: JsSIP says the SIP, the browser does the audio, and this file joins them to what one sees.
//
//   login:  out ─▶ connecting ─▶ in           (and back, when the server refuses or the user logs out)
//   call:   none ─▶ calling or ringing ─▶ talking ◀─▶ held ─▶ none
//
// What may be seen and clicked follows from these two words alone; `show` is the only place that hides or shows anything.

'use strict';

const element = (id) => document.getElementById(id);
/** How long more addresses of this machine are waited for, once there is one. */
const GATHERING_MS = 500;
/** What is kept for a reload, and forgotten with the tab. */
const KEPT = ['server', 'number', 'password'];

const phone = {
  login: 'out',
  call: 'none',
  /** Ports of the server, /phone/config.json. */
  config: {},
  ua: null,
  session: null,
  /** What the microphone gives during a call. */
  microphone: null,
  /** Who is at the other end. */
  peer: '',
  talking_since: 0,
  get connection() { return this.session?.connection ?? null; },
};
// For whoever looks inside: tests, and the curious at the browser's console.
window.phone = phone;

// ---------------------------------------------------------------- what one sees

function show() {
  const { login, call } = phone;
  element('login').hidden = login === 'in';
  element('dialling').hidden = login !== 'in' || call !== 'none';
  element('ringing').hidden = call !== 'ringing';
  element('talking').hidden = call === 'none' || call === 'ringing';
  element('register').disabled = login === 'connecting';
  element('register').textContent = login === 'connecting' ? 'Logging in…' : 'Log in';
  const established = call === 'talking' || call === 'held';
  for (const id of ['mute', 'hold']) element(id).disabled = !established;
  for (const key of element('keypad').children) key.disabled = !established;
  element('timer').hidden = !established;
  element('hold').textContent = call === 'held' ? 'Resume' : 'Hold';
  element('hold').setAttribute('aria-pressed', String(call === 'held'));
  const muted = Boolean(phone.session?.isMuted().audio) && call !== 'held';
  element('mute').textContent = muted ? 'Unmute' : 'Mute';
  element('mute').setAttribute('aria-pressed', String(muted));
  const words = { calling: 'Calling…', talking: 'Connected', held: 'On hold' };
  element('progress').textContent = words[call] ?? '';
  element('peer').textContent = phone.peer;
  element('caller').textContent = phone.peer;
  document.title = call === 'ringing' ? `${phone.peer} calls – YakYak phone` : 'YakYak phone';
}

function enter(change) {
  Object.assign(phone, change);
  show();
}

function presence(text) {
  element('presence').textContent = text;
}

/** What went wrong and what to do, with a link where one helps. */
function complain(text, link) {
  element('problem').hidden = false;
  element('problem-text').textContent = text;
  element('problem-link').hidden = !link;
  element('problem-link').href = link ?? '';
  element('problem-link').textContent = link ?? '';
}

function all_is_well() {
  element('problem').hidden = true;
}

// ---------------------------------------------------------------- logging in

const is_ip = (host) => host.startsWith('[') || /^[0-9.]+$/.test(host);

/** Where SIP over WebSocket is, seen from this page. */
function suggested_server() {
  const { protocol, hostname } = location;
  const { ws, wss } = phone.config;
  if (protocol === 'https:' || !ws) return `wss://${hostname}:${wss ?? 8089}`;
  return `ws://${hostname}:${ws}`;
}

/** A user and a domain. The name of a host is no tenant's domain, so its address stands for it. */
function identity(number, server) {
  const at = number.indexOf('@');
  if (at >= 0) return { user: number.slice(0, at), domain: number.slice(at + 1) };
  const host = server.hostname;
  return { user: number, domain: is_ip(host) || host !== location.hostname ? host : phone.config.address ?? host };
}

/** The server as typed, or a sentence that says what is wrong with it. */
function parsed_server(text) {
  let server;
  try {
    server = new URL(text.includes('://') ? text : `${location.protocol === 'https:' ? 'wss' : 'ws'}://${text}`);
  } catch {
    return 'The server is an address such as ws://192.0.2.10:8088 or wss://sip.example.com:8089.';
  }
  if (!['ws:', 'wss:'].includes(server.protocol)) return 'The server begins with ws:// or wss://.';
  if (server.protocol === 'ws:' && location.protocol === 'https:') {
    return 'This page came over https, and from there the browser talks to wss:// servers only.';
  }
  return server;
}

function log_in() {
  all_is_well();
  const server = parsed_server(element('server').value.trim());
  if (typeof server === 'string') return complain(server);
  const { user, domain } = identity(element('number').value.trim(), server);
  const password = element('password').value;
  let ua;
  try {
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server.href)],
      uri: `sip:${encodeURIComponent(user)}@${domain}`,
      authorization_user: user,
      password,
      session_timers: true,
      user_agent: `YakYak phone (JsSIP ${JsSIP.version})`,
    });
  } catch {
    return complain(`${user}@${domain} is not an address that can log in. The number is like 1001 or 201@sip.acme.example.`);
  }
  enter({ ua, login: 'connecting' });
  presence(`Asking ${server.host}`);
  ua.on('disconnected', () => phone.ua === ua && disconnected(server));
  ua.on('registered', () => phone.ua === ua && registered(user));
  ua.on('registrationFailed', (event) => phone.ua === ua && refused(event, user));
  ua.on('newRTCSession', (event) => phone.ua === ua && new_call(event));
  ua.start();
}

function registered(user) {
  for (const id of KEPT) sessionStorage.setItem(id, element(id).value);
  if (phone.login !== 'in') all_is_well();
  presence(`Logged in as ${user}`);
  enter({ login: 'in' });
}

function refused({ cause, response }, user) {
  const { causes } = JsSIP.C;
  const code = response ? ` (${response.status_code})` : '';
  log_out();
  if ([causes.AUTHENTICATION_ERROR, causes.REJECTED, causes.NOT_FOUND].includes(cause)) {
    complain(`The server does not know ${user} with this password${code}. Look at what YakYak printed when it first started, or `
      + 'make a new password there: yakyak extension password --tenant demo NUMBER.');
  } else if (cause === causes.REQUEST_TIMEOUT) {
    complain('The server took the connection, but did not answer. Try again; `yakyak status` says whether it is well.');
  } else {
    complain(`The server did not let ${user} in: ${response?.reason_phrase ?? cause}${code}.`);
  }
}

function disconnected(server) {
  if (phone.login === 'in') {
    presence('The connection is lost; trying to get it back');
    return;
  }
  log_out();
  if (server.protocol === 'wss:') {
    complain(`${server.host} cannot be reached, or its certificate is not trusted. If YakYak made the certificate itself, open this `
      + 'address once, accept the certificate (it may then say that it takes WebSockets only), and log in again:',
    `https://${server.host}/`);
  } else {
    complain(`${server.host} cannot be reached. Is YakYak running there, and is this one of its [sip] ws addresses? `
      + '`yakyak status` lists them.');
  }
}

function log_out() {
  const { ua } = phone;
  enter({ ua: null, login: 'out' });
  presence('Not logged in');
  sessionStorage.removeItem('password');
  ua?.stop();
}

// ---------------------------------------------------------------- calls

/** What the microphone gives, or nothing and a complaint. */
async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    insecure();
    return null;
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    complain({
      NotAllowedError: 'The browser keeps the microphone from this page. Allow it (the sign beside the address), and call again.',
      NotFoundError: 'No microphone is there. Plug one in, and call again.',
      NotReadableError: 'The microphone cannot be opened; another program may hold it. Close that, and call again.',
    }[error.name] ?? `The microphone cannot be used: ${error.message}`);
    return null;
  }
}

/** Browsers give microphones to pages over https, and to pages of this very machine. */
function insecure() {
  const { https } = phone.config;
  complain('The browser gives no microphone to a page that came over plain http from another machine. '
    + (https ? 'Open this page over https:' : 'Let YakYak serve it over https ([api] tls_listen_address).'),
  https ? `https://${location.hostname}:${https}/phone` : undefined);
}

async function dial() {
  all_is_well();
  const number = element('callee').value.trim();
  enter({ call: 'calling', peer: number, session: null });
  const stream = await microphone();
  const { ua } = phone;
  if (!stream || !ua || phone.call !== 'calling') {
    release(stream);
    enter({ call: 'none' });
    return;
  }
  phone.microphone = stream;
  const uri = number.includes('@') ? `sip:${number}` : `sip:${encodeURIComponent(number)}@${ua.configuration.uri.host}`;
  try {
    ua.call(uri, { mediaStream: stream });
  } catch {
    over();
    complain(`${number} cannot be called: a number has digits, and perhaps * and #.`);
  }
}

function new_call({ originator, session, request }) {
  if (originator === 'remote') {
    if (phone.call !== 'none') return session.terminate({ status_code: 486 });
    all_is_well();
    const { display_name: name, uri } = request.from;
    enter({ session, call: 'ringing', peer: name ? `${name} (${uri.user})` : uri.user });
    element('answer').focus();
  } else {
    enter({ session });
  }
  session.on('icecandidate', ({ ready }) => setTimeout(ready, GATHERING_MS));
  session.on('progress', () => originator === 'local' && (element('progress').textContent = 'Ringing…'));
  session.on('confirmed', () => phone.session === session && begin());
  session.on('hold', () => phone.session === session && enter({ call: held(session) }));
  session.on('unhold', () => phone.session === session && enter({ call: held(session) }));
  session.on('muted', show);
  session.on('unmuted', show);
  session.on('ended', (event) => phone.session === session && finish(event));
  session.on('failed', (event) => phone.session === session && finish(event));
  // Who calls has a connection by now, who is called gets one by answering.
  if (session.connection) listen_to(session.connection);
  session.on('peerconnection', ({ peerconnection }) => listen_to(peerconnection));
}

const held = (session) => (session.isOnHold().local || session.isOnHold().remote ? 'held' : 'talking');

function begin() {
  if (!phone.talking_since) phone.talking_since = Date.now();
  enter({ call: held(phone.session) });
  element('hang-up').focus();
}

async function answer() {
  const { session } = phone;
  const stream = await microphone();
  if (!stream || phone.session !== session) return release(stream);
  phone.microphone = stream;
  enter({ call: 'calling' });
  try {
    session.answer({ mediaStream: stream });
  } catch {
    over();
  }
}

function listen_to(connection) {
  connection.addEventListener('track', ({ track, streams }) => {
    const audio = element('audio');
    audio.srcObject = streams[0] ?? new MediaStream([track]);
    audio.play().catch(() => complain('The browser plays no sound before a click. Click anywhere on this page.'));
    meters.watch('heard', audio.srcObject);
    if (phone.microphone) meters.watch('spoken', phone.microphone);
  });
}

function hang_up() {
  if (phone.session) phone.session.terminate();
  else over();
}

function toggle_hold() {
  const { session } = phone;
  const done = session.isOnHold().local ? session.unhold() : session.hold();
  if (!done) complain('The last change of this call is still under way. Try again in a moment.');
}

function press(key) {
  if (!phone.session?.isEstablished()) return;
  const [sender] = phone.connection.getSenders();
  // As an event beside the audio (RFC 4733) where that was agreed on, else as an INFO.
  phone.session.sendDTMF(key, { transportType: sender?.dtmf?.canInsertDTMF ? 'RFC2833' : 'INFO' });
}

function finish(event) {
  const { peer, talking_since } = phone;
  over();
  const text = talking_since ? why_it_ended(event) : why_it_failed(event, peer);
  if (text) complain(text);
}

/** Back to where calls are made. */
function over() {
  release(phone.microphone);
  meters.stop();
  element('audio').srcObject = null;
  enter({ call: 'none', session: null, microphone: null, talking_since: 0 });
  element('call').focus();
}

function release(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

const NO_WAY = 'The audio found no way between this browser and the server. A firewall must let UDP through to it; YakYak printed '
  + 'which ports.';

function why_it_ended({ cause }) {
  const { causes } = JsSIP.C;
  if (cause === causes.RTP_TIMEOUT) return NO_WAY;
  return cause === causes.BYE ? '' : `The call ended: ${cause}.`;
}

function why_it_failed({ cause, message, originator }, peer) {
  const { causes } = JsSIP.C;
  const code = message?.status_code ? ` (${message.status_code})` : '';
  if (originator === 'local' && [causes.CANCELED, causes.REJECTED].includes(cause)) return '';
  return {
    [causes.CANCELED]: `${peer} has hung up.`,
    [causes.BUSY]: `${peer} is busy.`,
    [causes.REJECTED]: `${peer} does not take the call${code}.`,
    [causes.NOT_FOUND]: `There is no number ${peer}${code}.`,
    [causes.ADDRESS_INCOMPLETE]: `There is no number ${peer}${code}.`,
    [causes.UNAVAILABLE]: `${peer} is not there, or does not answer${code}.`,
    [causes.NO_ANSWER]: `${peer} does not answer.`,
    [causes.INCOMPATIBLE_SDP]: `The other side and this browser have no kind of audio in common${code}.`,
    [causes.AUTHENTICATION_ERROR]: `The server does not take the password any more${code}. Log out and in again.`,
    [causes.RTP_TIMEOUT]: NO_WAY,
    [causes.CONNECTION_ERROR]: 'The connection to the server is lost. The page tries to get it back; then call again.',
    [causes.REQUEST_TIMEOUT]: 'The server does not answer. Try again in a moment.',
  }[cause] ?? `The call failed: ${message?.reason_phrase ?? cause}${code}.`;
}

// ---------------------------------------------------------------- meters and clock

const meters = {
  context: null,
  watched: new Map(),

  watch(id, stream) {
    this.context ??= new AudioContext();
    this.context.resume();
    this.watched.get(id)?.source.disconnect();
    const source = this.context.createMediaStreamSource(stream);
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    this.watched.set(id, { source, analyser, samples: new Float32Array(analyser.fftSize) });
  },

  /** Loudness in decibels from silence (-60) to as loud as it gets (0), as a part of one. */
  draw() {
    for (const [id, { analyser, samples }] of this.watched) {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      element(id).value = Math.max(0, 1 + Math.log10(power + 1e-9) / 6);
    }
  },

  stop() {
    for (const [id, { source }] of this.watched) {
      source.disconnect();
      element(id).value = 0;
    }
    this.watched.clear();
    this.context?.suspend();
  },
};

function tick() {
  meters.draw();
  if (!phone.talking_since) return;
  const seconds = Math.floor((Date.now() - phone.talking_since) / 1000);
  element('timer').textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

// ---------------------------------------------------------------- what one clicks

function on(id, event, action) {
  element(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    action();
  });
}

function build_keypad() {
  for (const key of '123456789*0#') {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = key;
    button.addEventListener('click', () => press(key));
    element('keypad').append(button);
  }
}

function connect_controls() {
  build_keypad();
  on('login', 'submit', log_in);
  on('dial', 'submit', dial);
  on('log-out', 'click', () => { all_is_well(); log_out(); });
  on('answer', 'click', answer);
  on('reject', 'click', () => phone.session.terminate({ status_code: 603 }));
  on('hang-up', 'click', hang_up);
  on('hold', 'click', toggle_hold);
  on('mute', 'click', () => (phone.session.isMuted().audio ? phone.session.unmute() : phone.session.mute()));
  document.addEventListener('keydown', ({ key, target, ctrlKey, altKey, metaKey }) => {
    const typing = target instanceof HTMLInputElement || ctrlKey || altKey || metaKey;
    if (!typing && /^[0-9*#]$/.test(key)) press(key);
  });
  document.addEventListener('click', () => element('audio').srcObject && element('audio').play().catch(() => {}));
  // The other side hears that the page has gone, and the server forgets it.
  window.addEventListener('pagehide', () => phone.ua?.stop());
  setInterval(tick, 100);
}

async function start() {
  connect_controls();
  show();
  try {
    phone.config = await (await fetch('/phone/config.json')).json();
  } catch {
    complain('YakYak does not answer. Is it still running? Load this page again when it is.');
    return;
  }
  element('server').value = sessionStorage.getItem('server') ?? suggested_server();
  element('number').value = sessionStorage.getItem('number') ?? '';
  element('password').value = sessionStorage.getItem('password') ?? '';
  if (!window.isSecureContext) insecure();
  // A page that is loaded again was logged in.
  else if (element('password').value) log_in();
}

start();
