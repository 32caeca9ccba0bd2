// PROCESS: starts each process of the image without settings: it loads its code, refuses to start, and leaves what was
// compiled in NODE_COMPILE_CACHE. Node keeps one cache for each user, so the image's own user runs this, as its last step.
import { spawnSync } from 'node:child_process';

/** What a process ends with that refuses its settings. */
const REFUSED = 1;

for (const role of ['api', 'worker', 'mcp', 'migrate']) {
  const program = new URL(`../../dist/current/${role}.mjs`, import.meta.url);
  const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, program.pathname], {
    encoding: 'utf8',
    env: { NODE_ENV: 'production', NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
  });
  if (status !== REFUSED) throw new Error(`${role} ended with ${status}, not with ${REFUSED}: ${stderr}`);
}
