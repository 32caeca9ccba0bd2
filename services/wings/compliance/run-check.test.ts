import { describe, expect, test } from 'vitest';
import type { CheckPorts, MachineControl, Observation } from './control.ts';
import { runCheck } from './run-check.ts';

const ports = { clock: { now: () => 5, monotonic: () => 5 } } as CheckPorts;
const checkOf = (check: MachineControl['check']) => ({ check }) as MachineControl;
const seeing = (observation: Partial<Observation>) =>
  runCheck(
    ports,
    checkOf(async () => ({ population: 2, exceptions: [], observed: {}, ...observation })),
    { limitMs: 1_000 },
  );

describe('the status of a check', () => {
  test.each<[string, Partial<Observation>, string]>([
    ['is pass for a population without exceptions', {}, 'pass'],
    ['is fail for one exception', { exceptions: [{ resource: 'a', why: 'b' }] }, 'fail'],
    ['is not pass for an empty population', { population: 0 }, 'not_applicable'],
    ['is not pass where nothing was sampled', { sampled: 0 }, 'not_applicable'],
    ['is not_applicable where the check says so', { notApplicable: 'why' }, 'not_applicable'],
    [
      'is fail where an exception says otherwise',
      { notApplicable: 'why', exceptions: [{ resource: 'a', why: 'b' }] },
      'fail',
    ],
    ['is error for a sample larger than the population', { sampled: 3 }, 'error'],
    ['is error for more exceptions than resources', { exceptionCount: 3 }, 'error'],
    [
      'is error for fewer exceptions than listed',
      { exceptions: [{ resource: 'a', why: 'b' }], exceptionCount: 0 },
      'error',
    ],
  ])('%s', async (_title, observation, status) => expect(await seeing(observation)).toMatchObject({ status }));

  test('is unknown for a check that throws, and shows no message of the error', async () => {
    const failing = checkOf(async () => {
      throw Object.assign(new Error('user ada@people.test'), { code: 'E_TEST' });
    });
    expect(await runCheck(ports, failing, { limitMs: 1_000 })).toMatchObject({
      status: 'unknown',
      reason: 'the check did not run: E_TEST',
    });
  });

  test('is unknown for a check that exceeds its time limit, whose signal then aborts', async () => {
    let seen: AbortSignal | undefined;
    const endless = checkOf((_ports, signal) => {
      seen = signal;
      return new Promise(() => {});
    });
    expect(await runCheck(ports, endless, { limitMs: 5 })).toMatchObject({
      status: 'unknown',
      reason: 'the check did not run: check_timed_out',
    });
    expect(seen?.aborted).toBe(true);
  });

  test('keeps twenty exceptions and counts all', async () => {
    const exceptions = Array.from({ length: 30 }, (_, at) => ({ resource: `r${at}`, why: 'x' }));
    const result = await seeing({ population: 40, exceptions });
    expect([result.exceptions.length, result.exception_count]).toEqual([20, 30]);
  });

  test('hashes the canonical JSON of what was seen', async () => {
    const one = await seeing({ observed: { b: 1, a: [true, null] } });
    expect(one.observed).toBe('{"a":[true,null],"b":1}');
    expect((await seeing({ observed: { a: [true, null], b: 1 } })).observed_sha256).toBe(one.observed_sha256);
  });
});
