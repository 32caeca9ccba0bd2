import { beforeAll, describe, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openSignOffHarness } from '../wings/signoff/signoff-harness.ts';
import { SignOffService } from './sign-off-service.ts';

const harness = opened(() => openSignOffHarness());
let service: SignOffService;
beforeAll(async () => {
  service = new SignOffService({ ...harness, wings: { leftOut: [] } });
});

const record = { subject: 'release 1.4', requiredRoles: ['qa', 'architect'] as const };

describe('trackMultiRoleSignOff', () => {
  test('is approved only when every role has approved, each by another person', async () => {
    const both = (await harness.newPerson('qa', 'architect')).userId;
    const architect = (await harness.newPerson('architect')).userId;
    const qa = { role: 'qa', userId: both } as const;
    const first = await service.trackMultiRoleSignOff({ ...record, approvals: [qa] });
    expect(first).toMatchObject({ state: 'pending', approvals: [qa] });
    const { signOffId } = first;
    const twice = service.trackMultiRoleSignOff({
      ...record,
      signOffId,
      approvals: [qa, { role: 'architect', userId: both }],
    });
    await expect(twice).rejects.toMatchObject({ code: 'signoff_already_decided' });
    const last = { ...record, signOffId, approvals: [qa, { role: 'architect', userId: architect } as const] };
    expect(await service.trackMultiRoleSignOff(last)).toMatchObject({ state: 'approved' });
    expect(await service.trackMultiRoleSignOff(last)).toMatchObject({ state: 'approved' });
  });

  test('refuses a person without the role, and another subject under the same id', async () => {
    const developer = (await harness.newPerson('developer')).userId;
    const approvals = [{ role: 'qa', userId: developer }] as const;
    await expect(service.trackMultiRoleSignOff({ ...record, approvals })).rejects.toMatchObject({
      code: 'signoff_role_missing',
    });
    const { signOffId } = await service.trackMultiRoleSignOff({ ...record, approvals: [] });
    const other = service.trackMultiRoleSignOff({ ...record, subject: 'release 2', signOffId, approvals: [] });
    await expect(other).rejects.toMatchObject({ code: 'signoff_arguments_changed' });
  });

  test('cannot approve an act that people approve here', async () => {
    const { agent } = await harness.newAsking();
    const { signoff_id: signOffId } = await harness.request(agent);
    const tracked = service.trackMultiRoleSignOff({ ...record, signOffId, approvals: [] });
    await expect(tracked).rejects.toMatchObject({ code: 'signoff_unknown' });
  });
});
