// A SIP-over-WebSocket phone in headless Chromium: commands come in on standard input, what happens goes out on standard output,
// one JSON object a line. The first command starts it: {"do":"start","url":…,"user":…,"domain":…,"password":…}.

import dgram from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { bundle, here } from './bundle.mjs';

const folder = here(import.meta.url);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// Where the description says that the audio goes. Packets are counted, nobody listens.
const audio = dgram.createSocket('udp4');
let packets = 0;
audio.on('message', () => { packets += 1; });
await new Promise((resolve) => { audio.bind(0, '127.0.0.1', resolve); });

// A page of its own origin: `http://127.0.0.1` is a secure context.
const server = createServer((_, answer) => {
  answer.setHeader('Content-Type', 'text/html');
  answer.end('<!doctype html><title>phone</title>');
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--ignore-certificate-errors', '--disable-dev-shm-usage'],
});
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
page.on('pageerror', (error) => say({ event: 'error', text: String(error) }));
await page.exposeFunction('tell', say);
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.addScriptTag({ content: bundle('JsSIP', 'jssip', import.meta.url) });
await page.addScriptTag({ content: readFileSync(join(folder, 'page.js'), 'utf8') });
await page.evaluate((port) => window.install(port), audio.address().port);
say({ event: 'ready', browser: browser.version() });

const stop = async () => {
  await browser.close();
  process.exit(0);
};
process.on('SIGTERM', stop);

for await (const line of createInterface({ input: process.stdin })) {
  const { do: verb, ...more } = JSON.parse(line);
  if (verb === 'packets') {
    say({ event: 'packets', count: packets });
  } else if (verb === 'start') {
    await page.evaluate((settings) => window.start(settings), more);
  } else {
    await page.evaluate(([verb, more]) => window.act[verb](more), [verb, more]);
  }
}
await stop();
