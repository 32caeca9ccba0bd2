import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { newPerson, pairOf } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectProblem, type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const other = opened(() => harness.startCopy({ hashes: false }));
const clinic = opened(() => harness.newClient(['phi:read', 'phi:write']));
const officer = opened(() => newPerson(api, ['privacy_officer']));

const call = (path: string, json: unknown, by: Sent = { basic: clinic }, copy = api): Promise<Received> =>
  send(copy.url, 'POST', `/v1/privacy/phi${path}`, { ...by, json: json as object });
const read = (path: string) => send(api.url, 'GET', `/v1/privacy/phi${path}`, { bearer: officer.bearer });
const newSubject = (): string => `patient-${randomUUID()}`;
const about = (data: unknown, changes: object = {}) => ({
  subject_id: newSubject(),
  purpose: 'treatment',
  level: 'standard',
  data,
  ...changes,
});
async function encrypted(data: unknown, changes: object = {}, by?: Sent): Promise<Json> {
  const { status, body, text } = await call('/encrypt', about(data, changes), by);
  expect(status, text).toBe(201);
  return body.encrypted;
}

describe('POST /v1/privacy/phi/encrypt and /decrypt', () => {
  test('any JSON value survives, at both levels, on another copy too, and the answer has none of it', async () => {
    for (const level of ['standard', 'high'])
      for (const data of [{ a: [1, { b: 'canary-clear' }] }, [], 'canary-clear', 1.5, true, null]) {
        const envelope = await encrypted(data, { level });
        expect(JSON.stringify(envelope)).not.toContain('canary-clear');
        expect(envelope).toMatchObject({ format: 'phi1', level, key_version: 1 });
        const answer = await call('/decrypt', { purpose: 'treatment', encrypted: envelope }, { basic: clinic }, other);
        expect([answer.status, answer.body]).toEqual([200, { data }]);
        expect(answer.headers.get('cache-control')).toBe('no-store');
      }
  });

  test('the level is standard unless given', async () => {
    const { level, ...rest } = about('x');
    expect(level).toBe('standard');
    expect((await call('/encrypt', rest)).body.encrypted.level).toBe('standard');
  });

  test('no purpose, an unknown one, no subject and no data are 400', async () => {
    for (const missing of ['purpose', 'subject_id', 'data'])
      expectProblem(await call('/encrypt', { ...about('x'), [missing]: undefined }), 400, 'request_invalid');
    for (const purpose of ['curiosity', null, ''])
      expectProblem(await call('/encrypt', about('x', { purpose })), 400, 'request_invalid');
    const envelope = await encrypted('x');
    expectProblem(await call('/decrypt', { encrypted: envelope }), 400, 'request_invalid');
    // A name or an address is no opaque id.
    for (const subject_id of ['Jane Doe', 'jane@example.test', '', 'x'.repeat(129)])
      expectProblem(await call('/encrypt', about('x', { subject_id })), 400, 'request_invalid');
  });

  test('another purpose or subject, a changed member and an added one are refused', async () => {
    const envelope = await encrypted('x');
    const foreign = await encrypted('y');
    for (const changed of [
      { subject_id: foreign.subject_id },
      { level: 'high' },
      { key_version: 2 },
      { iv: foreign.iv },
      { tag: foreign.tag },
      { ciphertext: foreign.ciphertext },
    ]) {
      const unreadable = await call('/decrypt', { purpose: 'treatment', encrypted: { ...envelope, ...changed } });
      expectProblem(unreadable, 400, 'phi_unreadable');
    }
    expectProblem(await call('/decrypt', { purpose: 'payment', encrypted: envelope }), 400, 'phi_unreadable');
    for (const changed of [{ extra: 1 }, { format: 'phi2' }, { iv: 'short' }, { ciphertext: '===' }]) {
      const invalid = await call('/decrypt', { purpose: 'treatment', encrypted: { ...envelope, ...changed } });
      expectProblem(invalid, 400, 'request_invalid');
    }
  });

  test('nesting that would exhaust the stack is 400; a value near the limit of the body survives', async () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    const deep = JSON.stringify(about(0)).replace('"data":0', `"data":${nested(20_000)}`);
    const answer = await send(api.url, 'POST', '/v1/privacy/phi/encrypt', {
      basic: clinic,
      headers: { 'content-type': 'application/json' },
      body: deep,
    });
    expect(answer.status).toBe(400);
    const data = 'é'.repeat(32_000);
    const large = await encrypted(data, { level: 'high' });
    expect((await call('/decrypt', { purpose: 'treatment', encrypted: large })).body).toEqual({ data });
    expectProblem(await call('/encrypt', about('x'.repeat(70_000))), 413, 'body_too_large');
  });

  test('needs phi:write and phi:read; a privacy officer reads nothing', async () => {
    const [writer, reader] = [await harness.newClient(['phi:write']), await harness.newClient(['phi:read'])];
    const envelope = await encrypted('x', {}, { basic: writer });
    const asked = { purpose: 'treatment', encrypted: envelope };
    expect((await call('/decrypt', asked, { basic: reader })).body).toEqual({ data: 'x' });
    expectProblem(await call('/decrypt', asked, { basic: writer }), 403, 'permission_missing');
    expectProblem(await call('/encrypt', about('x'), { basic: reader }), 403, 'permission_missing');
    expectProblem(await call('/decrypt', asked, { bearer: officer.bearer }), 403, 'permission_missing');
    const clinician = await newPerson(api, ['clinician']);
    expect((await call('/decrypt', asked, { bearer: clinician.bearer })).status).toBe(200);
  });

  test('level high: a clinician with an old sign-in is asked for a new one', async () => {
    const clinician = await newPerson(api, ['clinician']);
    const { bearer } = await pairOf(api, clinician, Math.floor(Date.now() / 1_000) - 3_600);
    const [low, high] = [await encrypted('x'), await encrypted('x', { level: 'high' })];
    const decrypt = (envelope: Json, by: string) =>
      call('/decrypt', { purpose: 'treatment', encrypted: envelope }, { bearer: by });
    expect((await decrypt(low, bearer)).status).toBe(200);
    expectProblem(await decrypt(high, bearer), 403, 'step_up_required');
    expect((await decrypt(high, clinician.bearer)).status).toBe(200);
  });
});

describe('the keys', () => {
  test('a rotation is 202 with its progress; a second request joins it', async () => {
    await encrypted('x');
    const started = await call('/rotations', { reason: 'yearly' }, { bearer: officer.bearer });
    expect([started.status, started.body.state]).toEqual([202, 'running']);
    const again = await call('/rotations', { reason: 'twice' }, { bearer: officer.bearer });
    expect(again.body.rotation_id).toBe(started.body.rotation_id);
    const { rotation_id, key_version } = started.body;
    expect((await read(`/rotations/${rotation_id}`)).body).toEqual(started.body);
    expect((await read('/keys')).body).toMatchObject({
      keys: [
        { key_version, state: 'current' },
        { key_version: key_version - 1, state: 'retiring' },
      ],
      rotation: { rotation_id },
    });
    expectProblem(await read(`/rotations/${randomUUID()}`), 404, 'phi_rotation_unknown');
  });

  test('shredding a subject destroys its values on every copy', async () => {
    const subject_id = newSubject();
    const envelope = await encrypted('x', { subject_id });
    const path = `/subjects/${subject_id}/shred`;
    const done = await call(path, { reason: 'requested' }, { bearer: officer.bearer });
    expect([done.status, done.body]).toEqual([
      200,
      { subject_id, destroyed_keys: 1, shredded_at: expect.stringMatching(/Z$/) },
    ]);
    for (const copy of [api, other]) {
      const shredded = await call('/decrypt', { purpose: 'treatment', encrypted: envelope }, { basic: clinic }, copy);
      expectProblem(shredded, 410, 'phi_shredded');
    }
    expectProblem(await call(path, { reason: 'again' }, { bearer: officer.bearer }), 404, 'phi_subject_unknown');
  });
});
