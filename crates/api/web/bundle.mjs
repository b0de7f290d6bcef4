// Puts JsSIP, which comes as CommonJS files, into one script for a page.
//
//   node bundle.mjs NAME PACKAGE FILE    writes FILE, which sets window.NAME to what PACKAGE exports

import { createRequire } from 'node:module';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const REQUIRE = /\brequire\(\s*["']([^"']+)["']\s*\)/g;

/** Where `name`, required by the file `from`, is; the browser's variant where a package has one. */
function resolve(name, from) {
  const require = createRequire(from);
  // `events` alone would be Node's own.
  const path = require.resolve(name === 'events' ? 'events/' : name);
  if (name.startsWith('.')) return path;
  const at = path.lastIndexOf(`node_modules/${name}/`);
  if (at < 0) return path;
  const root = path.slice(0, at + `node_modules/${name}/`.length);
  const { browser } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return typeof browser === 'string' ? join(root, browser) : path;
}

/** What the licences of these packages ask to be kept with a copy, as comments. */
function notices(folders) {
  const files = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license', 'License'];
  return [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = files.map((file) => join(folder, file)).find(existsSync);
    const text = file ? readFileSync(file, 'utf8').trim() : '';
    return `/*! ${name} ${version} (${license})\n${text.replaceAll('*/', '* /')}\n*/\n`;
  }).join('');
}

/** The folder of the package that a file belongs to. */
const home = (path) => path.match(/^.*\bnode_modules\/(@[^/]+\/)?[^/]+/)[0];

/** One script that sets `window[name]` to what `entry`, seen from `from`, exports. */
export function bundle(name, entry, from) {
  const modules = new Map();
  const take = (path) => {
    if (modules.has(path)) return;
    const source = readFileSync(path, 'utf8');
    const links = {};
    modules.set(path, { source, links });
    for (const [, wanted] of source.matchAll(REQUIRE)) {
      try {
        links[wanted] = resolve(wanted, path);
      } catch {
        continue; // A package that is optional and not there.
      }
      take(links[wanted]);
    }
  };
  const start = resolve(entry, from);
  take(start);
  // Modules are known by numbers: the same packages give the same script wherever it is made.
  const numbers = new Map([...modules.keys()].map((path, index) => [path, index]));
  const parts = [...modules].map(([path, { source, links }]) => {
    const body = path.endsWith('.json') ? `module.exports = ${source};` : source;
    const numbered = Object.fromEntries(Object.entries(links).map(([name, path]) => [name, numbers.get(path)]));
    return `${numbers.get(path)}: [(module, exports, require) => {\n${body}\n}, ${JSON.stringify(numbered)}]`;
  });
  return `${notices(new Set([...modules.keys()].map(home)))}(() => {
    const modules = {${parts.join(',\n')}};
    const loaded = {};
    const load = (path) => {
      if (!loaded[path]) {
        const module = loaded[path] = { exports: {} };
        const [body, links] = modules[path];
        body(module, module.exports, (name) => load(links[name]));
      }
      return loaded[path].exports;
    };
    window[${JSON.stringify(name)}] = load(${numbers.get(start)});
  })();`;
}

/** The folder of this file. */
export const here = (url) => dirname(new URL(url).pathname);

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name, entry, file] = process.argv.slice(2);
  writeFileSync(file, bundle(name, entry, import.meta.url));
}
