// Settings that are facts of the installation are not taken from the shell of a command: one door reads them.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Files that read settings of their own process, and why. */
const OF_THE_SHELL: Readonly<Record<string, string>> = {
  'backup.ts': 'credentials and folder of backups',
  'config.ts': 'prints the settings of the shell',
  'database-ports.ts': 'keys',
  'doctor/doctor.ts': 'judges the shell itself',
  'doctor/shell.ts': 'compares the shell with the installation',
  'init.ts': 'makes the settings of an installation',
  'installation.ts': 'the door',
  'keys.ts': 'wraps a key with the service of this shell',
  'releases.ts': 'the build that this command is',
  'restore-feed.ts': 'credentials of backups',
  'restore-from.ts': 'marks of a database that does not say yet what it is of',
  'start.ts': 'starts the installation',
};

test('no command reads settings but through the installation', () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .filter((name) =>
      /\b(?:loadConfig|loadProcessConfig|readSettings)\(/.test(readFileSync(`${import.meta.dirname}/${name}`, 'utf8')),
    );
  expect(files.sort()).toEqual(Object.keys(OF_THE_SHELL).sort());
});
