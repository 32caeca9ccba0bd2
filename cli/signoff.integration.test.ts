import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { requestSignOff } from '../services/wings/signoff/request-signoff.ts';
import { newPerson, type Person } from '../tools/testing/flows/people.ts';
import { openApiHarness } from '../tools/testing/harness/api.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';

const harness = opened(() => openApiHarness());
const dataDir = testFolder();
const kek = Buffer.alloc(32, 9).toString('base64');
const copy = opened(() => harness.startCopy({ hashes: false, env: { KEY_ENCRYPTION_KEY: kek } }));

const sallyport = (person: Person | null, ...args: readonly string[]) =>
  runCli(['signoff', ...args], {
    DATABASE_URL: harness.databaseUrl,
    SALLYPORT_DATA_DIR: dataDir,
    SALLYPORT_API: copy.url,
    KEY_ENCRYPTION_KEY: kek,
    ...(person === null ? {} : { SALLYPORT_TOKEN: person.bearer }),
  });

test('sallyport signoff lists; two people approve, each as themselves, after they saw the exact arguments', async () => {
  const asked = {
    act: 'release.deploy',
    title: 'Deploy 1.4',
    arguments: { version: '1.4' },
    required_roles: ['qa', 'architect'],
  } as const;
  const { signoff_id: id, arguments_sha256: sha256 } = await requestSignOff(copy.ports, asked, testCaller);
  const listed = await sallyport(null, 'list', '--state', 'pending', '--role', 'qa', '--json');
  expect(JSON.parse(listed.out).signoffs).toMatchObject([{ signoff_id: id, arguments: { version: '1.4' } }]);
  const qa = await newPerson(copy, ['qa', 'architect']);
  const architect = await newPerson(copy, ['architect']);
  const first = await sallyport(qa, 'approve', id, '--role', 'qa', '--comment', 'tested', '--yes', '--json');
  expect(first.err).toContain(sha256);
  expect(first.err).toContain('"version": "1.4"');
  expect(JSON.parse(first.out)).toMatchObject({ state: 'pending', decisions: [{ user_id: qa.id, comment: 'tested' }] });
  const again = await sallyport(qa, 'approve', id, '--role', 'architect', '--yes');
  expect([again.code, again.err]).toEqual([5, expect.stringContaining('signoff_already_decided')]);
  const last = await sallyport(architect, 'approve', id, '--role', 'architect', '--yes', '--json');
  expect(JSON.parse(last.out)).toMatchObject({ state: 'approved' });
  const late = await sallyport(architect, 'deny', id, '--role', 'architect', '--yes');
  expect([late.code, late.err]).toEqual([5, expect.stringContaining('signoff_closed')]);
});

test('without a person’s token, approving is refused: a command alone is no person', async () => {
  const run = await sallyport(null, 'approve', '00000000-0000-7000-8000-000000000000', '--role', 'qa', '--yes');
  expect([run.code, run.err]).toEqual([2, expect.stringContaining('SALLYPORT_TOKEN')]);
});
