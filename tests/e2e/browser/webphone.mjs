// Drives the page /phone in headless Chromium: commands come in on standard input, what happens goes out on standard output, one
// JSON object a line. Each command {"do":VERB,…} is answered by one event: {"event":"done","do":VERB,…}, or "error".
//
//   open {url, scheme?, width?, height?}   loads the page, in "light" or "dark"
//   register {user, password, server?}     types and clicks; the event "login" tells how it went
//   call {number} | answer | reject | hang_up | hold | mute | key {key} | log_out    clicks
//   ice_restart                            a re-INVITE with fresh ICE credentials
//   state                                  what the page shows and what it thinks
//   stats                                  audio energy, packets and the candidate pair of the call
//   tone                                   the loudest frequency of what comes in, in Hz
//   loop {hz?}                             two peer connections in the page, one hears the other: what `tone` says then
//   shot {path}                            a picture of the page
//   stop
//
// The microphone is an oscillator: `webphone.mjs HZ`. "login" and "call" tell changes by themselves, "complaint" what the page says.

import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const hz = Number(process.argv[2] ?? 440);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--ignore-certificate-errors', '--disable-dev-shm-usage', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection',
    '--disable-features=WebRtcHideLocalIpsWithMdns'],
});

/** Runs before the page's own script: a microphone that hums, and ears. */
function prepare({ hz }) {
  const context = () => { window.lab_context ??= new AudioContext(); return window.lab_context; };
  const hum = (hz) => {
    const oscillator = new OscillatorNode(context(), { frequency: hz });
    const quieter = new GainNode(context(), { gain: 0.5 });
    const destination = new MediaStreamAudioDestinationNode(context());
    oscillator.connect(quieter).connect(destination);
    oscillator.start();
    return destination.stream;
  };
  const loudest = async (stream, for_ms = 1000) => {
    if (!stream?.getAudioTracks().length) return { hz: 0, db: -200 };
    // Chromium decodes what comes in only for a stream that an element plays.
    const element = new Audio();
    element.srcObject = stream;
    // While the stream changes nothing plays, and this would not end.
    await Promise.race([element.play().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 1000))]);
    const source = new MediaStreamAudioSourceNode(context(), { mediaStream: stream });
    const analyser = new AnalyserNode(context(), { fftSize: 8192, smoothingTimeConstant: 0 });
    source.connect(analyser);
    await context().resume();
    await new Promise((resolve) => setTimeout(resolve, for_ms));
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    source.disconnect();
    element.srcObject = null;
    const at = bins.reduce((best, value, index) => (value > bins[best] ? index : best), 0);
    return { hz: (at * context().sampleRate) / analyser.fftSize, db: bins[at] };
  };
  const loop = async (hz) => {
    const [one, two] = [new RTCPeerConnection(), new RTCPeerConnection()];
    one.onicecandidate = ({ candidate }) => candidate && two.addIceCandidate(candidate);
    two.onicecandidate = ({ candidate }) => candidate && one.addIceCandidate(candidate);
    const heard = new Promise((resolve) => { two.ontrack = ({ streams }) => resolve(streams[0]); });
    const stream = hum(hz);
    for (const track of stream.getTracks()) one.addTrack(track, stream);
    await one.setLocalDescription();
    await two.setRemoteDescription(one.localDescription);
    await two.setLocalDescription();
    await one.setRemoteDescription(two.localDescription);
    const tone = await loudest(await heard, 2000);
    const measured = await stats(two);
    one.close();
    two.close();
    return { ...tone, ...measured };
  };
  const stats = async (connection) => {
    const reports = [...(await connection.getStats()).values()];
    const inbound = reports.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
    const outbound = reports.find(({ type, kind }) => type === 'outbound-rtp' && kind === 'audio');
    const transport = reports.find(({ type }) => type === 'transport');
    const by_id = (id) => reports.find((report) => report.id === id);
    const pair = by_id(transport?.selectedCandidatePairId);
    const place = (id) => { const found = by_id(id); return found ? `${found.address}:${found.port}/${found.protocol} ${found.candidateType}` : null; };
    return {
      energy: inbound?.totalAudioEnergy ?? 0,
      packets_in: inbound?.packetsReceived ?? 0,
      packets_lost: inbound?.packetsLost ?? 0,
      concealed: inbound?.concealedSamples ?? 0,
      packets_out: outbound?.packetsSent ?? 0,
      codec: by_id(inbound?.codecId)?.mimeType ?? null,
      dtls: transport?.dtlsState ?? null,
      pair: pair ? { local: place(pair.localCandidateId), remote: place(pair.remoteCandidateId), state: pair.state } : null,
      ice: connection.iceConnectionState,
    };
  };
  window.lab = { loudest, loop, stats };
  if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => hum(hz);
}

/** Tells the test what the page goes through. */
function report() {
  const told = {};
  const tell_change = (kind, value) => {
    if (told[kind] === value) return;
    told[kind] = value;
    window.tell({ event: kind, state: value });
  };
  const look = () => {
    tell_change('login', window.phone.login);
    tell_change('call', window.phone.call);
    const problem = document.getElementById('problem');
    tell_change('complaint', problem.hidden ? '' : document.getElementById('problem-text').textContent);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, attributes: true, childList: true, characterData: true });
  look();
}

let page;
const messages = [];
const connection = () => page.evaluateHandle(() => window.phone.connection);

const verbs = {
  async open({ url, scheme = 'light', width = 375, height = 740 }) {
    await page?.context().close();
    messages.length = 0;
    const context = await browser.newContext({
      ignoreHTTPSErrors: true, colorScheme: scheme, viewport: { width, height }, permissions: ['microphone'],
    });
    page = await context.newPage();
    page.on('pageerror', (error) => messages.push(`exception: ${error}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) messages.push(`${message.type()}: ${message.text()}`);
    });
    await page.exposeFunction('tell', say);
    await page.addInitScript(prepare, { hz });
    const answer = await page.goto(url);
    await page.waitForFunction(() => window.phone && document.getElementById('server').value);
    await page.evaluate(report);
    return { status: answer.status(), browser: browser.version(), server: await page.inputValue('#server') };
  },
  async register({ user, password, server }) {
    if (server) await page.fill('#server', server);
    await page.fill('#number', user);
    await page.fill('#password', password);
    await page.press('#password', 'Enter');
  },
  async reload() { await page.reload(); await page.waitForFunction(() => window.phone); await page.evaluate(report); },
  async call({ number }) { await page.fill('#callee', number); await page.click('#call'); },
  answer: () => page.click('#answer'),
  reject: () => page.click('#reject'),
  hang_up: () => page.click('#hang-up'),
  hold: () => page.click('#hold'),
  mute: () => page.click('#mute'),
  log_out: () => page.click('#log-out'),
  key: ({ key }) => page.click(`#keypad button:text-is("${key}")`),
  ice_restart: () => page.evaluate(() => new Promise((resolve, reject) => {
    const asked = window.phone.session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, resolve);
    if (!asked) reject(new Error('a change is under way'));
  })),
  async state() {
    const seen = await page.evaluate(() => ({
      login: window.phone.login,
      call: window.phone.call,
      presence: document.getElementById('presence').textContent,
      progress: document.getElementById('progress').textContent,
      heard: document.getElementById('heard').value,
      spoken: document.getElementById('spoken').value,
      overflow: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      unlabelled: [...document.querySelectorAll('input, meter')].filter(({ labels }) => labels.length !== 1).map(({ id }) => id),
      kept: { ...sessionStorage, ...localStorage },
    }));
    return { ...seen, messages };
  },
  async stats() { return page.evaluate((connection) => window.lab.stats(connection), await connection()); },
  tone: () => page.evaluate(() => window.lab.loudest(document.getElementById('audio').srcObject)),
  loop: ({ hz: other = hz }) => page.evaluate((hz) => window.lab.loop(hz), other),
  async shot({ path }) { await page.screenshot({ path, fullPage: true }); },
};

const stop = async () => {
  await browser.close();
  process.exit(0);
};
process.on('SIGTERM', stop);

say({ event: 'ready', browser: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { do: verb, ...more } = JSON.parse(line);
  if (verb === 'stop') break;
  try {
    say({ event: 'done', do: verb, ...(await verbs[verb](more) ?? {}) });
  } catch (error) {
    say({ event: 'error', do: verb, text: String(error) });
  }
}
await stop();
