import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canonicalJson } from '#services/core/audit/log/canonical-json.ts';
import { vkeyOf } from '#services/core/audit/log/note.ts';
import type { HasAuditLogKeys } from '#services/core/audit/read/read-log.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createFactorSeal } from '#services/core/identity/sessions/factor-seal.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { type OwnLogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { ndjsonAdapter } from '../adapters/generic.ts';
import { importMap } from '../import-shapes.ts';
import { readImportRow } from '../run/imports.store.ts';
import { runImport } from '../run/run-import.ts';
import { startImport } from '../run/start-import.ts';
import { statementOf } from '../run/statement.ts';
import { issueCertificate } from './issue-certificate.ts';
import { verifyCertificate } from './verify-certificate.ts';

let harness: OwnLogHarness & HasAuditLogKeys;
let id: string;
let text: string;
let vkeys: string[];
beforeAll(async () => {
  const log = await openLogHarness();
  harness = { ...log, auditLogKeys: (origin) => readLogKeys(log, origin) };
  const data = Buffer.from(
    '{"legacy_id":"a","email":"a@example.com","factors_lost":["phone"],"created_at":"0000-00-00"}\n{"legacy_id":"b","email":"b@example.com"}\n{"legacy_id":"c","email":"none"}\n',
  );
  const ports = { ...harness, factorSeal: createFactorSeal('x'.repeat(32)), relyingPartyId: 'localhost' };
  const map = importMap.parse({});
  const sourceSha256 = createHash('sha256').update(data).digest('hex');
  const source = { kind: 'ndjson', map, sourceSha256, sourceBytes: data.length, reason: 'moving' };
  const row = await startImport(ports, source, testCaller);
  ({ id } = row);
  expect(await outcomeOf(issueCertificate(harness, { import_id: id }))).toBe('import_not_sealed');
  async function* stream() {
    yield data;
  }
  await runImport(ports, { row, adapter: ndjsonAdapter, map, stream: stream() }, testCaller);
  expect(await outcomeOf(issueCertificate(harness, { import_id: id }))).toBe('import_not_sealed');
  await sealEvents(harness, {}, testCaller);
  text = await issueCertificate(harness, { import_id: id });
  vkeys = (await harness.auditLogKeys(TEST_ORIGIN)).map(vkeyOf);
});
afterAll(() => harness?.end());

type Certificate = {
  note: string;
  certificate: {
    statement: { counts: Record<string, number>; kind: string; reject_reasons: Record<string, number> };
    leaf: string;
    seq: number;
    proof: string;
    origin: string;
    vkeys: string[];
  };
};
const altered = (change: (value: Certificate) => void) => {
  const value = JSON.parse(text) as Certificate;
  change(value);
  return verifyCertificate(`${canonicalJson(value as never)}\n`, vkeys).faults.map(({ item }) => item);
};

test('states who, how many, what was rejected and why, and the digests of file, mapping and users', () => {
  const { valid, pinned, faults, statement } = verifyCertificate(text, vkeys);
  expect({ valid, pinned, faults }).toEqual({ valid: true, pinned: true, faults: [] });
  expect(statement).toMatchObject({
    import_id: id,
    kind: 'ndjson',
    records: 3,
    counts: { new: 2, changed: 0, same: 0, linked: 0, rejected: 1, factors_lost: 1 },
    notices: { 'factor_lost.phone': 1, 'left_out.created_at': 1 },
    reject_reasons: { email_invalid: 1 },
    hash_formats: { none: 2 },
    requested_by: 'system:test',
    reason: 'moving',
    users_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(verifyCertificate(text)).toMatchObject({ valid: true, pinned: false });
});

test('an import that counted no lost factors has the statement that its sealed digest is of', async () => {
  const row = (await readImportRow(harness.sql, id)) as NonNullable<Awaited<ReturnType<typeof readImportRow>>>;
  const before = statementOf({ ...row, factors_lost_count: null, notices: null });
  expect(before.counts).not.toHaveProperty('factors_lost');
  expect(before).not.toHaveProperty('notices');
});

test('an altered byte fails, wherever it is', () => {
  for (let at = 0; at < text.length; at += 7) {
    const byte = text[at] === 'a' ? 'b' : 'a';
    expect([at, verifyCertificate(text.slice(0, at) + byte + text.slice(at + 1), vkeys).valid]).toEqual([at, false]);
  }
});

test('names what was altered', () => {
  expect(
    altered(({ certificate }) => {
      certificate.statement.counts.new = 3;
    }),
  ).toEqual(['statement.counts.new', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.statement.kind = 'csv';
    }),
  ).toEqual(['statement.kind', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.statement.reject_reasons = {};
    }),
  ).toEqual(['statement', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.seq += 1;
    }),
  ).toEqual(['leaf', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.leaf = 'AAAA';
    }),
  ).toEqual(['leaf', 'leaf', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.proof = 'x';
    }),
  ).toEqual(['proof', 'signature']);
  expect(
    altered(({ certificate }) => {
      certificate.origin = 'other.test/audit';
    }),
  ).toEqual(['proof', 'signature']);
  expect(
    altered((value) => {
      value.note = 'x';
    }),
  ).toEqual(['signature']);
});

test('what is no certificate, and what another key has signed, is refused', async () => {
  const faultOf = (given: string, keys: readonly string[] = vkeys) => verifyCertificate(given, keys).faults[0]?.why;
  expect(faultOf('{')).toBe('it is not JSON');
  expect(faultOf('{}')).toBe('it does not have the form of a certificate');
  expect(faultOf(text.trimEnd())).toContain('canonical');
  expect(faultOf(text, ['sallyport.example/audit+3dbe7488+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs'])).toContain(
    'signature',
  );
  expect(faultOf(text, ['no key'])).toBe('a verifier key is malformed');
  expect(await outcomeOf(issueCertificate(harness, { import_id: '019a0000-0000-7000-8000-000000000000' }))).toBe(
    'import_unknown',
  );
});
