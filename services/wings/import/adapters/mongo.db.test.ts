import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { HASH, openImportHarness } from '../run/import-harness.ts';
import { plainDocument } from './mongo.ts';

const harness = opened(openImportHarness);

const MAP = {
  columns: { email: 'profile.email', password_hash: 'services.password.bcrypt', 'metadata.visits': 'visits' },
};
/** As the documentation of MongoDB Extended JSON v2 writes these types, canonical and relaxed. */
const DOCUMENTS = [
  {
    _id: { $oid: '5f7c0a1b2c3d4e5f6a7b8c9d' },
    profile: { email: 'ada@example.com' },
    emailVerified: true,
    name: 'Ada',
    createdAt: { $date: { $numberLong: '1580702706789' } },
    services: { password: { bcrypt: HASH } },
    visits: { $numberInt: '7' },
  },
  { _id: 'plain-id', profile: { email: 'bob@example.com' }, createdAt: { $date: '2020-02-03T04:05:06.789Z' } },
];
const text = DOCUMENTS.map((document) => `${JSON.stringify(document)}\n`).join('');

test('documents in extended JSON import by the mapping, as lines or as an array', async () => {
  const run = await harness.importText('mongo', text, MAP);
  expect(run).toMatchObject({ new_count: 2, rejects: [], hash_formats: { bcrypt: 1, none: 1 } });
  const [ada] =
    await harness.rows`SELECT u.id, u."createdAt", m.metadata FROM users u JOIN user_metadata m ON m.user_id = u.id
      WHERE email = 'ada@example.com'`;
  expect(ada).toEqual({
    id: '5f7c0a1b2c3d4e5f6a7b8c9d',
    createdAt: new Date(1_580_702_706_789),
    metadata: { visits: 7 },
  });
  expect(await harness.importText('mongo', JSON.stringify(DOCUMENTS), MAP)).toMatchObject({ same_count: 2 });
});

test('types of MongoDB become plain values, and a time that no date holds is left out', async () => {
  const plain = plainDocument({
    a: [{ $numberLong: '5' }, { $numberDouble: '1.5' }, { $numberDecimal: '1.10' }, { $symbol: 's' }],
    b: { $uuid: 'u' },
    c: { $other: 1 },
    d: null,
    e: { $numberLong: '9007199254740993' },
  });
  expect(JSON.parse(JSON.stringify(plain))).toEqual({
    ...{ a: [5, 1.5, '1.10', 's'], b: 'u', c: { $other: 1 }, d: null, e: '9007199254740993' },
  });
  const late = {
    ...DOCUMENTS[1],
    _id: 'late',
    profile: { email: 'late@example.com' },
    createdAt: { $date: { $numberLong: '1e30' } },
  };
  expect(await harness.importText('mongo', JSON.stringify(late), MAP)).toMatchObject({
    new_count: 1,
    rejects: [],
    notices: { 'left_out.created_at': 1 },
  });
});
