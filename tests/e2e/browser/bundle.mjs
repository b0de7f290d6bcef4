// Puts JsSIP, which comes as CommonJS files, into one script for a page.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
  const parts = [...modules].map(([path, { source, links }]) => {
    const body = path.endsWith('.json') ? `module.exports = ${source};` : source;
    return `${JSON.stringify(path)}: [(module, exports, require) => {\n${body}\n}, ${JSON.stringify(links)}]`;
  });
  return `(() => {
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
    window[${JSON.stringify(name)}] = load(${JSON.stringify(start)});
  })();`;
}

/** The folder of this file. */
export const here = (url) => dirname(new URL(url).pathname);
