import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EnsureKeysSettings } from './ensure-keys.ts';
import { KEY_AUDIENCE, KEY_SECRET, type KeyHarness, keySettings, openKeyHarness } from './key-harness.ts';
import { sharedSecretPurpose } from './key-timeline.ts';
import { type KeyRow, readKeysOf } from './keys.store.ts';

const AFTER = 'https://after.example.test';
const settingsWith = (audience: string | null, jwtSecret = KEY_SECRET): EnsureKeysSettings => ({
  ...keySettings({ algorithm: 'HS256', jwtSecret }),
  audience,
});

let harness: KeyHarness;
beforeAll(async () => {
  harness = await openKeyHarness();
});
afterAll(() => harness?.close());

const sharedWith = (audience: string): Promise<KeyRow[]> =>
  readKeysOf(harness.ports.sql, sharedSecretPurpose(audience));
let kid: string;
beforeEach(async () => {
  await harness.empty();
  await harness.start(settingsWith(KEY_AUDIENCE));
  kid = (await sharedWith(KEY_AUDIENCE))[0]?.kid ?? '';
});

test.each([
  ['the same secret', KEY_SECRET],
  ['another secret', 'another-secret-of-thirty-two-characters'],
])(
  'after a change of the default audience %s signs for the new one, and no shared secret for the old one',
  async (_name, secret) => {
    const { created } = await harness.start(settingsWith(AFTER, secret));
    const [[before], [after]] = [await sharedWith(KEY_AUDIENCE), await sharedWith(AFTER)];
    expect(before).toMatchObject({ kid, signs_until: expect.any(Number) });
    expect(after).toMatchObject({ kid: created[0], signs_until: null });
    expect(await harness.eventsOf('key.stopped')).toMatchObject([{ target_id: kid }]);
  },
);

test('a start that does not know the default audience leaves shared secrets unchanged', async () => {
  expect((await harness.start(settingsWith(null))).created).toEqual([]);
  expect(await sharedWith(KEY_AUDIENCE)).toMatchObject([{ kid, signs_until: null }]);
});
