import { expect, test } from 'vitest';
import { type Check, pass } from '#services/core/health/doctor-check.ts';
import { ConfigError, loadConfig } from '#services/platform/config/load.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { runChecks } from './run-checks.ts';

const away = () => new CommandError(exitCodes.unreachable, 'PostgreSQL does not answer', 'start it');
const check = (name: string, run: () => unknown, needs?: Check['needs']): Check => ({
  name,
  ...(needs ? { needs } : {}),
  run: async () => {
    const given = run();
    if (given instanceof Error) throw given;
    return pass('fine');
  },
});
const resultsOf = async (...checks: Check[]) =>
  (
    await runChecks(
      checks,
      async () => loadConfig({}),
      () => {},
    )
  ).map(({ name, result, evidence, fix }) => [name, result, evidence, fix ?? null]);

test('a store that does not answer fails once, and is not asked again', async () => {
  let asked = 0;
  const other = () => {
    asked += 1;
  };
  const results = await resultsOf(
    check('postgres', away, 'databaseUrl'),
    check('clock', other, 'databaseUrl'),
    check('redis', () => undefined, 'redisUrl'),
    check('mail', other, 'databaseUrl'),
  );
  expect(results).toEqual([
    ['postgres', 'fail', 'PostgreSQL does not answer', 'start it'],
    ['clock', 'skip', 'not checked: see postgres', null],
    ['redis', 'pass', 'fine', null],
    ['mail', 'skip', 'not checked: see postgres', null],
  ]);
  expect(asked).toBe(0);
});

test('a store that is lost between two checks fails once too', async () =>
  expect(
    await resultsOf(
      check('postgres', () => undefined, 'databaseUrl'),
      check('clock', () => storeUnavailable(), 'databaseUrl'),
      check('marks', () => undefined, 'databaseUrl'),
    ),
  ).toEqual([
    ['postgres', 'pass', 'fine', null],
    ['clock', 'fail', expect.stringContaining('(store_unavailable)'), storeUnavailable.definition.fix],
    ['marks', 'skip', 'not checked: see clock', null],
  ]));

test('the same failure of two checks is told once; another failure is told too', async () => {
  const refused = (what: string) => () => new CommandError(exitCodes.refused, what);
  expect(
    await resultsOf(
      check('one', refused('no key')),
      check('two', refused('no key')),
      check('three', refused('no role')),
    ),
  ).toEqual([
    ['one', 'fail', 'no key', 'see the message'],
    ['two', 'skip', 'not checked: see one', null],
    ['three', 'fail', 'no role', 'see the message'],
  ]);
});

test('a refused configuration is told by its own check', async () => {
  const refused = () => new ConfigError([{ env: 'PORT', problem: 'is wrong', fix: 'correct it' }]);
  expect(await resultsOf(check('client address', refused))).toEqual([
    ['client address', 'skip', 'not checked: see configuration', null],
  ]);
});
