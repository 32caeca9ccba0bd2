import { expect, test } from 'vitest';
import { type MoveFacts, moveChecklist } from './move-checklist.ts';

const moved: MoveFacts = {
  kind: 'clerk',
  users: 9,
  lazy: 0,
  without_credential: 0,
  deleted: 1,
  open_imports: 0,
  last_import: { import_id: 'i-1', rejected: 0, finished_at: '2026-11-20T00:00:00Z' },
  bridge: { sessions: 0, last_at: null },
};
const settings = { issuer: 'https://old.example', until: '2027-01-31T00:00:00.000Z', checks_passwords: true };
const undone = (facts: Partial<MoveFacts>) =>
  moveChecklist({ ...moved, ...facts }, settings)
    .items.filter(({ done }) => !done)
    .map(({ item, text }) => `${item}: ${text}`);

test('a move with nothing left is ready, breaks nothing, and names what to delete with the certificate to keep', () => {
  const found = moveChecklist(moved, settings);
  expect(found).toMatchObject({ ready: true, breaks: [] });
  expect(found.items.every(({ done }) => done)).toBe(true);
  expect(found.delete_there.join('\n')).toContain('the 9 users of clerk');
  expect(found.delete_there.join('\n')).toContain('sallyport import certificate i-1 FILE');
  expect(moveChecklist({ ...moved, last_import: null }, settings).delete_there.join('\n')).not.toContain('certificate');
});

test('each item says what is missing', () => {
  expect(undone({ open_imports: 1 })).toEqual([expect.stringMatching(/^imports_ended: 1 import has not ended/)]);
  expect(undone({ open_imports: 2 })).toEqual([expect.stringMatching(/2 imports have/)]);
  expect(undone({ last_import: { import_id: 'i', rejected: 3, finished_at: '' } })).toEqual([
    expect.stringMatching(/^nothing_rejected: the last import rejected 3 records/),
  ]);
  expect(undone({ lazy: 1 })).toEqual([expect.stringMatching(/^passwords_here: 1 user has the password/)]);
  expect(undone({ without_credential: 2 })).toEqual([expect.stringMatching(/^everyone_can_sign_in: 2 users have/)]);
  expect(undone({ bridge: { sessions: 4, last_at: '2026-11-24T10:00:00Z' } })).toEqual([
    'sessions_here: 4 sessions came by the bridge in the last 7 days, the last at 2026-11-24T10:00:00Z',
  ]);
});

test('nothing may be deleted while an import is open, a password is there, or sessions come by the bridge', () => {
  for (const facts of [{ open_imports: 1 }, { lazy: 1 }, { bridge: { sessions: 1, last_at: 'now' } }])
    expect(moveChecklist({ ...moved, ...facts }, settings)).toMatchObject({ ready: false, delete_there: [] });
  expect(moveChecklist({ ...moved, without_credential: 1 }, settings).ready).toBe(true);
});

test('says what would break on the last day, by the settings', () => {
  const facts = { ...moved, lazy: 2, bridge: { sessions: 1, last_at: 'now' } };
  expect(moveChecklist(facts, settings).breaks).toEqual([
    '2 users could not sign in once the old provider is gone: they would have to reset the password',
    'applications that bring sessions of the old provider get 401 after 2027-01-31T00:00:00.000Z, and their users sign in',
  ]);
  expect(moveChecklist(facts, { issuer: null, until: null, checks_passwords: false }).breaks).toEqual([
    '2 users cannot sign in now: LEGACY_PASSWORD_URL is not set',
    expect.stringContaining('after the day on which the old provider is gone'),
    'LEGACY_ISSUER is not set: no session comes by the bridge',
  ]);
});
