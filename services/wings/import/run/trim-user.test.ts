import { describe, expect, test } from 'vitest';
import type { ExternalId } from '#services/core/shared/external-id.ts';
import { idOf, legacyUser } from '../adapters/members.ts';
import { type MoveFacts, moveChecklist } from './move-checklist.ts';
import { createProviderNames, trimUser } from './trim-user.ts';

const NOW = Date.UTC(2026, 10, 26);
const trimmed = (members: Partial<Parameters<typeof legacyUser>[0]>) => {
  const { user, notices } = trimUser(legacyUser({ legacy_id: idOf('u', null), email: 'u@example.com', ...members }), {
    now: NOW,
    relyingPartyId: 'auth.example.com',
    providerName: createProviderNames(),
  });
  return { user, notices: notices.map(({ notice, member }) => `${notice} ${member}`) };
};

describe('a member that no sign-in needs is shortened or left out, and rejects no user', () => {
  test.each([
    ['=1+1', '=1+1', []],
    ['@sadie', '@sadie', []],
    ['=^.^=', '=^.^=', []],
    ['- Ana -', '- Ana -', []],
    ['x'.repeat(130), 'x'.repeat(128), ['shortened name']],
    // The last character would be half of a pair.
    [`${'x'.repeat(127)}😀`, 'x'.repeat(127), ['shortened name']],
    ['Ada\u0000 \u001bLovelace', 'Ada Lovelace', ['shortened name']],
    ['\u0007', null, ['left_out name']],
  ])('the name %j', (name, kept, notices) => {
    expect(trimmed({ name })).toMatchObject({ user: { name: kept }, notices });
  });

  test.each([
    [new Date(Number.NaN)],
    [new Date('0000-00-00 00:00:00')],
    [new Date('1969-12-31T23:59:59Z')],
    [new Date(NOW + 2 * 86_400_000)],
  ])('the time of creation %j', (createdAt) => {
    expect(trimmed({ created_at: createdAt })).toMatchObject({
      user: { created_at: null },
      notices: ['left_out created_at'],
    });
  });

  test('a picture of 40 KB in the metadata, and as the image, while the rest is kept', () => {
    const picture = `data:image/png;base64,${'A'.repeat(40_000)}`;
    const { user, notices } = trimmed({
      image: picture,
      metadata: { raw_user_meta_data: { avatar_url: picture, theme: 'dark' }, plan: 'gold' },
    });
    expect(user).toMatchObject({ image: null, metadata: { raw_user_meta_data: { theme: 'dark' }, plan: 'gold' } });
    expect(notices).toEqual(['left_out metadata.raw_user_meta_data.avatar_url', 'left_out metadata.image']);
  });

  test('metadata that jsonb cannot hold, and the largest members of too many', () => {
    expect(trimmed({ metadata: { text: 'a\u0000b', half: '\ud800', list: ['\u0000', 'kept'] } })).toMatchObject({
      user: { metadata: { list: ['kept'] } },
      notices: ['left_out metadata.text', 'left_out metadata.half', 'left_out metadata.list'],
    });
    const large = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`m${at}`, 'x'.repeat(3_000 + at)]));
    const { user, notices } = trimmed({ metadata: { ...large, plan: 'gold' } });
    expect(Buffer.byteLength(JSON.stringify(user.metadata))).toBeLessThanOrEqual(32_000);
    expect(user.metadata).toMatchObject({ plan: 'gold', m0: large.m0 });
    expect(notices.slice(0, 2)).toEqual(['left_out metadata.m19', 'left_out metadata.m18']);
  });

  test('social accounts without a name or subject that can be kept, recovery codes, and names of passkeys', () => {
    const accounts = [
      { provider: 'github', subject: '1' },
      { provider: 'credential', subject: '2' },
      { provider: '!', subject: '3' },
      { provider: 'google', subject: 'x'.repeat(256) },
    ].map(({ provider, subject }) => ({ provider, subject: subject as ExternalId }));
    const passkey = {
      rp_id: 'auth.example.com',
      credential_id: 'aWQ',
      public_key: 'a2V5',
      counter: 1,
      transports: [],
      device_type: 'singleDevice' as const,
      backed_up: false,
      aaguid: null,
      name: `a\u0000${'x'.repeat(200)}`,
    };
    const { user, notices } = trimmed({
      accounts,
      recovery_codes: ['aaaa-bbbb', 'x'.repeat(65)],
      passkeys: [passkey, { ...passkey, credential_id: 'no base64url!' }],
    });
    expect(user).toMatchObject({
      accounts: [accounts[0]],
      recovery_codes: ['aaaa-bbbb'],
      passkeys: [{ name: `a${'x'.repeat(127)}` }],
      factors_lost: [],
    });
    expect(notices).toEqual(['left_out accounts', 'left_out recovery_codes']);
  });
});

describe('names of providers', () => {
  test.each([
    ['google', 'google'],
    ['Google', 'google'],
    ['azure.AD-2', 'azure.ad-2'],
    ['saml.okta', 'saml.okta'],
    ['oidc.acme', 'oidc.acme'],
    ['sso:019a5b3c-0000-7000-8000-000000000000', 'sso:019a5b3c-0000-7000-8000-000000000000'],
    ['Acme SSO', 'acme-sso'],
    ['credential', null],
    ['Credential', null],
    ['', null],
    ['.hidden', null],
    ['x'.repeat(65), null],
  ])('%s', (given, kept) => expect(createProviderNames()(given)).toBe(kept));

  test('of two providers whose names become one, the users of the second are not those of the first', () => {
    const nameOf = createProviderNames();
    expect([nameOf('Google'), nameOf('google'), nameOf('Google'), nameOf('a.b c'), nameOf('a.b-c')]).toEqual([
      'google',
      null,
      'google',
      'a.b-c',
      null,
    ]);
  });
});

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
