import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createPatientPool } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { defineStatement } from '../define/statement.ts';
import type { PrismaClient } from './generated/client.ts';
import { createPrismaDatabase } from './prisma.ts';

const database = opened(createTestDatabase);
const proxy = opened(() => startTcpProxy(database.url));
const pool = opened(() => createPatientPool({ url: proxy.url, connections: 12, applicationName: 'test' }));
const prisma = opened(() =>
  createPrismaDatabase(pool, (err) => {
    throw err;
  }),
);
const client = opened(() => prisma.client as PrismaClient);

const userById = defineStatement('testUserById')`SELECT email, "emailVerified" FROM users WHERE id = $1`;
const person = () => {
  const id = randomUUID();
  return { id, email: `${id}@people.test` };
};
// Better Auth's adapter writes booleans where the column is a timestamp.
const verified = (isVerified: boolean) => isVerified as unknown as Date;

test('queries of Prisma and ours share one transaction: both commit or neither', async () => {
  const ada = person();
  const work = prisma.transact(async (tx) => {
    await client.user.create({ data: ada });
    expect(await tx.query(userById, [ada.id])).toMatchObject([{ email: ada.email }]);
    expect(prisma.currentTx()).toBe(tx);
    throw new Error('no');
  });
  await expect(work).rejects.toThrow('no');
  expect(await client.user.findFirst({ where: { id: ada.id } })).toBeNull();
  await client.$transaction(async (inner) => {
    await inner.user.create({ data: ada });
    await prisma.transact((tx) => tx.query(userById, [ada.id]));
  });
  expect(await client.user.findFirst({ where: { id: ada.id } })).toMatchObject(ada);
  expect(() => prisma.currentTx()).toThrow('no transaction');
});

test('concurrent transactions are isolated: neither sees uncommitted rows of the other', async () => {
  const people = Array.from({ length: 12 }, person);
  await Promise.all(
    people.map((one, index) =>
      prisma
        .transact(async () => {
          await client.user.create({ data: one });
          expect(await client.user.findMany({ where: { id: { in: people.map(({ id }) => id) } } })).toContainEqual(
            expect.objectContaining({ id: one.id }),
          );
          if (index % 2 === 1) throw new Error('odd');
        })
        .catch((err: Error) => expect(err.message).toBe('odd')),
    ),
  );
  const kept = await client.user.findMany({ where: { id: { in: people.map(({ id }) => id) } } });
  expect(kept.map(({ id }) => id).sort()).toEqual(
    people
      .filter((_, index) => index % 2 === 0)
      .map(({ id }) => id)
      .sort(),
  );
});

test('emailVerified is written as the time of verification and read as a boolean, by create, update, where and join', async () => {
  const ada = person();
  const made = await client.user.create({ data: { ...ada, emailVerified: verified(true) } });
  expect(made.emailVerified).toBe(true);
  const [row] = await prisma.transact((tx) => tx.query<{ emailVerified: Date }>(userById, [ada.id]));
  expect(Math.abs(Date.now() - (row?.emailVerified.getTime() ?? 0))).toBeLessThan(60_000);
  const session = { id: randomUUID(), token: randomUUID(), userId: ada.id, expiresAt: new Date(Date.now() + 60_000) };
  await client.session.create({ data: session });
  const joined = await client.session.findFirst({ where: { id: session.id }, include: { user: true } });
  expect(joined?.user.emailVerified).toBe(true);
  const found = await client.user.findMany({ where: { emailVerified: verified(true) } });
  expect(found.map(({ id }) => id)).toContain(ada.id);
  const changed = await client.user.update({ where: { id: ada.id }, data: { emailVerified: verified(false) } });
  expect(changed.emailVerified).toBe(false);
  const unproven = await client.user.findMany({ where: { emailVerified: verified(false) } });
  expect(unproven.map(({ id }) => id)).toContain(ada.id);
});

test('a query failure that the library hides still fails the transaction, and nothing is committed', async () => {
  const ada = person();
  await client.user.create({ data: ada });
  const other = person();
  for (const hide of [() => undefined, () => Promise.reject(new Error('something went wrong'))]) {
    const work = prisma.transact(async () => {
      await client.user.create({ data: other });
      await client.user.create({ data: { ...person(), email: ada.email } }).catch(hide);
    });
    await expect(work).rejects.toMatchObject({ code: '23505', constraint: 'users_email_key' });
  }
  expect(await client.user.findFirst({ where: { id: other.id } })).toBeNull();
  const masked = prisma.unmask(() => client.user.create({ data: { ...person(), email: ada.email } }));
  await expect(masked).rejects.toMatchObject({ constraint: 'users_email_key' });
});

test('a query outside the rights of the role names role and right, alone and in a transaction', async () => {
  const mcp = createPatientPool({ url: database.url, connections: 2, applicationName: 'test', role: 'sallyport_mcp' });
  const other = createPrismaDatabase(mcp, (err) => {
    throw err;
  });
  const read = () => (other.client as PrismaClient).verification.findMany();
  const named = {
    code: '42501',
    message: expect.stringContaining('PostgreSQL refuses sallyport_mcp the right SELECT on verifications:'),
  };
  await expect(other.unmask(read)).rejects.toMatchObject(named);
  await expect(other.transact(read)).rejects.toMatchObject(named);
  await other.close();
  await mcp.end();
});

test('an unreachable Postgres is store_unavailable, inside and outside a transaction', async () => {
  await proxy.cut();
  const hidden = () =>
    client.user.findFirst({ where: { id: 'x' } }).catch(() => Promise.reject(new Error('something went wrong')));
  await expect(prisma.unmask(hidden)).rejects.toMatchObject({ code: 'store_unavailable' });
  await expect(prisma.transact(hidden)).rejects.toMatchObject({ code: 'store_unavailable' });
  await proxy.restore();
  await expect.poll(() => prisma.unmask(hidden).catch(() => 'away'), { timeout: 60_000 }).toBeNull();
});

test('refuses queries that Prisma would run on another connection', () =>
  expect(client.user.findUnique({ where: { id: 'x' } })).rejects.toThrow('findFirst'));

test('a database older than expected accepts no writes, in a transaction or alone, but reads', async () => {
  const older = () => {
    throw Object.assign(new Error('older'), { code: 'state_rewound' });
  };
  const guarded = createPrismaDatabase(pool, () => {}, { expected: async () => null, check: older });
  const users = (guarded.client as PrismaClient).user;
  const ada = person();
  await expect(guarded.transact(() => users.create({ data: ada }))).rejects.toMatchObject({ code: 'state_rewound' });
  await expect(guarded.unmask(() => users.create({ data: ada }))).rejects.toMatchObject({ code: 'state_rewound' });
  expect(await guarded.unmask(() => users.findFirst({ where: { id: ada.id } }))).toBeNull();
});
