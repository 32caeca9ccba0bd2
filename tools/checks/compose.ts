/** Validates docker-compose.yml with Compose's own parser: `docker compose config`, else compose-go built with Go. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { onPath } from './debian-package.ts';
import { ensureGo } from './go-program.ts';
import { runStep } from './missing-tool.ts';

const root = resolve(import.meta.dirname, '../..');
const say = (text: string): void => void process.stderr.write(`compose: ${text}\n`);

const run = (command: string, args: readonly string[], cwd = root): boolean =>
  spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 2] }).status === 0;

runStep('docker-compose.yml by Compose', () => {
  const docker = onPath('docker');
  if (docker && spawnSync(docker, ['compose', 'version'], { stdio: 'ignore' }).status === 0) {
    if (run(docker, ['compose', 'config', '--quiet'])) say('docker compose finds it valid');
    else process.exitCode = 1;
    return;
  }
  const checker = ['run', '-buildvcs=false', '.', '../../docker-compose.yml'];
  if (run(ensureGo(), checker, resolve(root, 'deploy/compose-check'))) say('compose-go finds it valid');
  else process.exitCode = 1;
});
