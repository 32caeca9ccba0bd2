import { beforeEach, describe, expect, test } from 'vitest';
import { declareApplication } from '#services/core/access/manage-applications.ts';
import type { SignOffPolicy } from '#services/core/access/signoff-policy-shapes.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { killAgent } from '../agents/manage-agents.ts';
import type { SignOffView } from './contract.ts';
import type { SignOffRequest } from './request-signoff.ts';
import { runSignedOff } from './run-signoff.ts';
import { ARGUMENTS, openSignOffHarness } from './signoff-harness.ts';

const harness = opened(openSignOffHarness);
const agent = opened(async () => (await harness.newAsking()).agent);

const DEPLOY: SignOffPolicy = {
  act: 'release.*',
  roles: ['qa', 'architect', 'tech_lead'],
  quorum: 2,
  lifetime_minutes: 60,
  min_security_score: 80,
  no_open_incident: true,
  arguments: [{ path: '/alg', label: { en: 'Algorithm', de: 'Verfahren' }, format: 'monospace' }],
};
const declare = async (...policies: SignOffPolicy[]) => {
  const input = { application: 'ship', audience: 'https://ship.test', permissions: [], roles: {} };
  const ports = { ...harness, ownAudiences: [] };
  const done = await declareApplication(ports, { ...input, signoff_policies: policies, reason: 'test' }, testCaller);
  return done.application.signoff_policies.map(({ version }) => version);
};
beforeEach(() => declare(DEPLOY));

const ask = (changes: Partial<SignOffRequest>): Promise<SignOffView> =>
  harness.request(agent, { act: 'release.deploy', required_roles: undefined, ...changes });
const minutesOf = ({ requested_at: from, expires_at: to }: SignOffView) => (Date.parse(to) - Date.parse(from)) / 60_000;

describe('a request of an act with a policy', () => {
  test('takes the values of the policy for what it does not name, and remembers its version', async () => {
    const [version] = await declare({ ...DEPLOY, quorum: 3 });
    const made = await ask({});
    expect(made).toMatchObject({
      required_roles: ['architect', 'qa', 'tech_lead'],
      quorum: 3,
      conditions: { min_security_score: 80, no_open_incident: true },
      policy: { act: 'release.*', version },
      argument_labels: DEPLOY.arguments,
    });
    expect(minutesOf(made)).toBe(60);
  });

  test.each<[string, Partial<SignOffRequest>, string]>([
    [
      'a lower quorum',
      { quorum: 1 },
      'quorum 1 of architect, qa, tech_lead; 2 of architect, qa, tech_lead must approve',
    ],
    ['one role', { required_roles: ['qa'] }, 'quorum 1 of qa; 2 of'],
    [
      'a quorum that other roles could fill',
      { required_roles: ['qa', 'architect', 'developer'], quorum: 2 },
      'quorum 2 of qa, architect, developer; 2 of',
    ],
    ['other roles', { required_roles: ['developer', 'product_owner'] }, 'quorum 2 of developer, product_owner; 2 of'],
    ['a longer lifetime', { expires_in_minutes: 61 }, 'expires_in_minutes 61; at most 60'],
    ['a lower score', { conditions: { min_security_score: 79 } }, 'min_security_score 79; at least 80'],
    ['open incidents', { conditions: { no_open_incident: false } }, 'no_open_incident false; must be true'],
  ])('is refused with %s, and the answer says what is below', async (_what, changes, detail) => {
    await expect(ask(changes)).rejects.toMatchObject({
      code: 'signoff_below_policy',
      options: { detail: expect.stringContaining(`The policy of release.* is not met by ${detail}`) },
    });
  });

  test.each<[string, Partial<SignOffRequest>]>([
    ['more approvals', { quorum: 3 }],
    ['two of its roles', { required_roles: ['qa', 'architect'] }],
    ['a further role on top', { required_roles: ['qa', 'architect', 'developer'], quorum: 3 }],
    ['a shorter lifetime and a higher score', { expires_in_minutes: 5, conditions: { min_security_score: 90 } }],
  ])('may ask for %s', async (_what, changes) => expect(await outcomeOf(ask(changes))).toBe('ok'));

  test('is subject to the policy that names most of its act', async () => {
    await declare(
      DEPLOY,
      { ...DEPLOY, act: 'release.deploy.eu*', quorum: 3 },
      { ...DEPLOY, act: 'release.deploy', quorum: 1 },
    );
    const policyOf = async (act: string) => (await ask({ act })).policy?.act;
    expect(await policyOf('release.deploy')).toBe('release.deploy');
    expect(await policyOf('release.deploy.eu1')).toBe('release.deploy.eu*');
    expect(await policyOf('release.deploy.us')).toBe('release.*');
    expect(await outcomeOf(ask({ act: 'releases.deploy' }))).toBe('request_invalid');
  });

  test('keeps its terms if the policy changes later', async () => {
    const before = await ask({});
    await declare({ ...DEPLOY, quorum: 3 });
    const now = await ask({});
    expect([before.quorum, now.quorum]).toEqual([2, 3]);
    expect(now.policy?.version).toBeGreaterThan(before.policy?.version as number);
  });

  test('is not stored below the policy, whatever writes the row', async () => {
    const { signoff_id: id } = await ask({});
    const copy = (changes: Record<string, string>) => {
      const columns = `act title arguments arguments_sha256 requested_by_kind requested_by client_id barred_users
        required_roles quorum min_security_score no_open_incident requested_at expires_at`.split(/\s+/);
      const values = columns.map((column) => changes[column] ?? column);
      return outcomeOf(
        harness.raw(
          `INSERT INTO signoffs (id, ${columns}) SELECT gen_random_uuid(), ${values} FROM signoffs WHERE id = $1`,
          [id],
        ),
      );
    };
    expect(await copy({})).toBe('ok');
    const below: Record<string, string>[] = [
      { quorum: '1' },
      { required_roles: `'{developer,product_owner}'` },
      { expires_at: `expires_at + interval '1 minute'` },
      { min_security_score: '79' },
      { min_security_score: 'NULL::smallint' },
      { no_open_incident: 'false' },
    ];
    for (const changes of below) expect(await copy(changes)).not.toBe('ok');
    await expect(harness.raw`UPDATE signoffs SET policy_version = 1 WHERE id = ${id}`).rejects.toThrow();
  });
});

test('an act without a policy needs its roles named, and says that no policy applied', async () => {
  expect(await outcomeOf(ask({ act: 'mail.send' }))).toBe('request_invalid');
  expect(await ask({ act: 'mail.send', required_roles: ['qa'] })).toMatchObject({ policy: null, argument_labels: [] });
});

describe('the event of the end', () => {
  const finishedOf = async ({ signoff_id: id }: SignOffView) =>
    (
      await harness.raw<{ detail: object }>`SELECT detail FROM audit_outbox
        WHERE type = 'signoff.finished' AND target_id = ${id}`
    )[0]?.detail;

  test('says what had to be met: roles, quorum and the version of the policy', async () => {
    const made = await ask({
      required_roles: ['qa', 'architect'],
      conditions: { no_open_incident: true, min_security_score: 80 },
    });
    for (const role of ['qa', 'architect'] as const) await harness.decide(made, await harness.newPerson(role), role);
    harness.score = 90;
    const input = { signoff_id: made.signoff_id, act: made.act, arguments: ARGUMENTS };
    await runSignedOff(harness, input, async () => {}, agent);
    expect(await finishedOf(made)).toMatchObject({
      required_roles: ['qa', 'architect'],
      quorum: 2,
      policy_version: made.policy?.version,
    });
  });

  test('says it too if the agent was killed, with null where no policy applied', async () => {
    const { agent: victim } = await harness.newAsking();
    const made = await harness.request(victim);
    await killAgent(harness, { agent_id: victim.clientId, reason: 'test' }, testCaller);
    expect(await finishedOf(made)).toMatchObject({
      required_roles: made.required_roles,
      quorum: 2,
      policy_version: null,
    });
  });
});
