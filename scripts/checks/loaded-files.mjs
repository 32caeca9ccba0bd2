// Preloaded (`--import`) into a process, appends each file of node_modules that the process loads to the file that
// LOADED_FILES names: what production-packages.json lists and container-roles.all.test.ts compares.
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const list = process.env.LOADED_FILES;
const seen = new Set();

registerHooks({
  load(url, context, next) {
    const at = url.indexOf('/node_modules/');
    if (list && at >= 0 && !seen.has(url)) {
      seen.add(url);
      appendFileSync(list, `${url.slice(at + '/node_modules/'.length)}\n`);
    }
    return next(url, context);
  },
});
