/** Validates our compose files with Compose's own parser: `docker compose config`, else compose-go built with Go. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { onPath } from './debian-package.ts';
import { ensureGo } from './go-program.ts';
import { runStep } from './missing-tool.ts';

const root = resolve(import.meta.dirname, '../..');
const say = (text: string): void => void process.stderr.write(`compose: ${text}\n`);

const FILES = ['docker-compose.yml', 'deploy/compose/compose.yaml'].map((file) => resolve(root, file));
const env = { ...process.env, POSTGRES_PASSWORD: 'any' };
const run = (command: string, args: readonly string[], cwd = root): boolean =>
  spawnSync(command, args, { cwd, env, stdio: ['ignore', 'ignore', 2] }).status === 0;

runStep('compose files by Compose', () => {
  const docker = onPath('docker');
  if (docker && spawnSync(docker, ['compose', 'version'], { stdio: 'ignore' }).status === 0) {
    if (FILES.every((file) => run(docker, ['compose', '-f', file, 'config', '--quiet'])))
      say('docker compose finds them valid');
    else process.exitCode = 1;
    return;
  }
  const checker = ['run', '-buildvcs=false', '.'];
  const isValid = (file: string): boolean => run(ensureGo(), [...checker, file], resolve(root, 'deploy/compose-check'));
  if (FILES.every(isValid)) say('compose-go finds them valid');
  else process.exitCode = 1;
});
