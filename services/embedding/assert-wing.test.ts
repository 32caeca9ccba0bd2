import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { HIPAAComplianceService } from './hipaa-compliance-service.ts';

const here = import.meta.dirname;
/** Each service that imports a wing, and that wing. */
const services = globSync('*-service.ts', { cwd: here }).flatMap((file): [string, Wing][] => {
  const wing = /wings\/([a-z]+)\//.exec(readFileSync(resolve(here, file), 'utf8'))?.[1];
  return wing === undefined ? [] : [[file, wing as Wing]];
});

/** Code of the refusal; undefined if the service opens, or misses something else. */
function refusal(Service: new (...input: never[]) => unknown, leftOut: readonly Wing[]): unknown {
  try {
    new Service(...([{ wings: { leftOut } }, {}, {}] as never[]));
  } catch (err) {
    const { code, options } = err as { code?: string; options?: object };
    if (code === 'wing_left_out') return options;
  }
}

test('these services import a wing', () => expect(services).toHaveLength(10));

test.each(services)('%s is refused where %s is left out, and opens without the other wings', async (file, wing) => {
  const [Service] = Object.values(await import(`./${file}`)) as [typeof HIPAAComplianceService];
  expect(refusal(Service, [wing])).toEqual({ detail: `SALLYPORT_LEAVE_OUT names ${wing}.`, members: { wing } });
  // Compliance checks the rules of privacy, and cannot be without it.
  const needed: readonly Wing[] = wing === 'compliance' ? [wing, 'privacy'] : [wing];
  const others = WINGS.filter((other) => !needed.includes(other));
  expect(refusal(Service, others)).toBeUndefined();
});

test('without privacy, the service of compliance names privacy', () =>
  expect(refusal(HIPAAComplianceService, ['privacy', 'compliance'])).toMatchObject({ members: { wing: 'privacy' } }));
