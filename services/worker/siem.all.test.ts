// About: services/wings/outbound/handoff/siem/
// Real receivers of syslog: rsyslog with TLS, and a server that is cut off while it reads.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { type HandoffHarness, openHandoffHarness } from '#services/wings/outbound/handoff/handoff-harness.ts';
import { exportHarnessOf } from '#services/wings/outbound/handoff/siem/export-harness.ts';
import { HOSTILE } from '#services/wings/outbound/handoff/siem/siem-harness.ts';
import { MESSAGE_BYTES_MAX } from '#services/wings/outbound/handoff/siem/syslog.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { makeAuthority } from '#tools/testing/fakes/certificate-maker.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type Rsyslog, startRsyslog } from '#tools/testing/processes/rsyslog.ts';

const authority = makeAuthority('Collectors');
const server = authority.issue({ dns: ['localhost'], ips: ['127.0.0.1'] });
const sender = authority.issue();
const stranger = makeAuthority('Strangers');

let folder: string;
let files: Record<'ca' | 'cert' | 'key' | 'senderCert' | 'senderKey' | 'strangerCa', string>;
let harness: HandoffHarness;
let rsyslog: Rsyslog;
let port: number;

const fileOf = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const known = () => ({ caFile: files.ca, certificateFile: files.senderCert, keyFile: files.senderKey });
const toRsyslog = (tls = known(), place = `localhost:${port}`) =>
  exportHarnessOf(harness, [{ name: 'soc', format: 'ocsf', url: `syslogs://${place}` }], tls);

const newestSeq = async (): Promise<number> =>
  Number((await harness.log.raw<{ seq: string }>`SELECT max(seq) AS seq FROM audit_events`)[0]?.seq);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const seqOf = (data: string): number => Number(/ seq="(\d+)"/.exec(data)?.[1]);

async function insert(detail: object, times = 1): Promise<void> {
  await harness.log.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, detail)
    SELECT 'role.changed', 'ok', 'system', 'tests', 'role', 'editor', ${JSON.stringify(detail)}::jsonb
      FROM generate_series(1, ${times})`;
  await sealEvents(harness.log, {}, testCaller);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-syslog-'));
  files = {
    ca: fileOf('ca.pem', authority.pem),
    cert: fileOf('cert.pem', server.pem),
    key: fileOf('key.pem', server.keyPem),
    senderCert: fileOf('sender.pem', sender.pem),
    senderKey: fileOf('sender-key.pem', sender.keyPem),
    strangerCa: fileOf('stranger.pem', stranger.pem),
  };
  port = await randomFreePort();
  harness = await openHandoffHarness();
  rsyslog = await startRsyslog({ folder, port, tls: { ...files, asksForCertificate: true } });
});
afterAll(async () => {
  await rsyslog?.kill();
  await harness?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await harness.log.raw`DELETE FROM siem_targets`;
  await sealEvents(harness.log, {}, testCaller);
  await toRsyslog().run();
});

describe('rsyslog over TLS, with certificates of both sides', () => {
  test('parses every message, in the order of the log', async () => {
    const siem = toRsyslog();
    const [before, kept] = [await newestSeq(), rsyslog.messages().length];
    await harness.events('ada', 'bob', 'ada');
    await siem.run();
    const newest = await newestSeq();
    await eventually('the messages', () => rsyslog.messages().length === kept + newest - before);
    const messages = rsyslog.messages().slice(kept);
    expect(messages.map(({ data }) => seqOf(data))).toEqual(range(before + 1, newest));
    expect(messages[0]).toMatchObject({ pri: '110', host: 'auth.example.test', app: 'sallyport', msgid: 'user.login' });
    const document = JSON.parse(messages[0]!.text);
    expect(document).toMatchObject({ class_uid: 3_002, metadata: { sequence: before + 1 } });
    expect(messages[0]?.time).toBe(document.metadata.original_time);
    expect(await siem.rows()).toMatchObject([{ reached_seq: newest, failures: 0 }]);
  });

  test('log injection: a hostile text is one message, and stays what it was', async () => {
    const siem = toRsyslog();
    const kept = rsyslog.messages().length;
    const name = HOSTILE.toWellFormed().replaceAll('\0', '');
    await insert({ added: [name], [name.slice(0, 20)]: ']"\n' });
    await siem.run();
    await eventually('the message', () => rsyslog.messages().length > kept);
    await insert({ added: ['last'] });
    await siem.run();
    await eventually('the next message', () => rsyslog.messages().length > kept + 1);
    const messages = rsyslog.messages().slice(kept);
    expect(messages).toHaveLength(2);
    expect(JSON.parse(messages[0]!.text).unmapped.detail).toEqual({ added: [name] });
  });

  test('messages are not cut: the longest one arrives whole', async () => {
    const siem = toRsyslog();
    const kept = rsyslog.messages().length;
    for (const size of [MESSAGE_BYTES_MAX - 1_200, MESSAGE_BYTES_MAX]) await insert({ added: ['x'.repeat(size)] });
    await siem.run();
    await eventually('both messages', () => rsyslog.messages().length === kept + 2);
    const [long, replaced] = rsyslog.messages().slice(kept);
    expect(JSON.parse(long!.text).unmapped.detail.added[0]).toHaveLength(MESSAGE_BYTES_MAX - 1_200);
    expect(JSON.parse(replaced!.text).unmapped.detail).toHaveProperty('omitted_sha256');
  });

  test('that was killed gets, once it runs again, all that was sealed meanwhile, once and in order', async () => {
    const siem = toRsyslog();
    const [before, kept] = [await newestSeq(), rsyslog.messages().length];
    await rsyslog.kill();
    for (let n = 0; n < 3; n += 1) {
      await insert({ n }, 300);
      await siem.run();
      await siem.pass();
    }
    expect(await siem.rows()).toMatchObject([{ reached_seq: before, failures: 3, failure: 'ECONNREFUSED' }]);
    await rsyslog.start();
    await siem.run();
    const newest = await newestSeq();
    await eventually('all messages', () => rsyslog.messages().length >= kept + newest - before);
    expect(
      rsyslog
        .messages()
        .slice(kept)
        .map(({ data }) => seqOf(data)),
    ).toEqual(range(before + 1, newest));
  });

  test.each([
    [
      'whose certificate is of an unknown authority',
      () => toRsyslog({ ...known(), caFile: files.strangerCa }),
      /SELF_SIGNED|UNABLE/,
    ],
    [
      'that does not know the sender',
      () => toRsyslog({ caFile: files.ca } as never),
      /ERR_SSL|ECONNRESET|connection_cut|EPIPE/,
    ],
    [
      'whose certificate has another name',
      () => toRsyslog(known(), `127.0.0.2:${port}`),
      /ERR_TLS_CERT_ALTNAME|ECONNREFUSED/,
    ],
  ])('%s gets nothing, and the events wait', async (_what, make, code) => {
    const siem = make();
    const [before, kept] = [await newestSeq(), rsyslog.messages().length];
    await insert({});
    await siem.run();
    expect(await siem.rows()).toMatchObject([{ reached_seq: before, failure: expect.stringMatching(code) }]);
    expect(rsyslog.messages()).toHaveLength(kept);
  });
});

describe('a receiver that closes early', () => {
  /** A TLS server that is gone from each connection once it has read something. */
  async function cutting(): Promise<{ url: string; read: () => string }> {
    let text = '';
    const receiver = createServer({ cert: server.pem, key: server.keyPem }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', (part) => {
        text += part.toString();
        socket.destroy();
      });
    });
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    onTestFinished(() => void receiver.close());
    return { url: `syslogs://localhost:${(receiver.address() as AddressInfo).port}`, read: () => text };
  }

  test('has not accepted the batch: it gets all of it again', async () => {
    const { url, read } = await cutting();
    const siem = exportHarnessOf(harness, [{ name: 'soc', format: 'ecs', url }], { caFile: files.ca });
    const before = await newestSeq();
    // More than the buffers of both sides hold, so that the sender cannot have written all of it.
    await insert({ added: ['x'.repeat(6_000)] }, 1_000);
    for (let n = 0; n < 2; n += 1) {
      await siem.run();
      await siem.pass();
    }
    expect(read().split(`"sequence":${before + 1},`)).toHaveLength(3);
    expect(await siem.rows()).toMatchObject([{ reached_seq: before, failures: 2 }]);
  });
});

describe('syslog without TLS', () => {
  test('arrives in counted frames on a private network, and is refused where only public addresses are allowed', async () => {
    let text = '';
    const receiver = createPlainServer(
      (socket) => void socket.on('data', (part) => (text += part)).on('error', () => {}),
    );
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    onTestFinished(() => void receiver.close());
    const url = `syslog://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    const siem = exportHarnessOf(harness, [{ name: 'soc', format: 'ecs', url }]);
    const guarded = exportHarnessOf(harness, [{ name: 'soc', format: 'ecs', url }], { allowsPrivate: false });
    await insert({ added: ['ü'] }, 2);
    await guarded.run();
    expect(await siem.rows()).toMatchObject([{ failure: 'private_address' }]);
    expect(text).toBe('');
    await siem.pass();
    await siem.run();
    const frames: string[] = [];
    for (let rest = text; rest !== ''; ) {
      const [head, length] = /^(\d+) /.exec(rest) as unknown as [string, string];
      frames.push(rest.slice(head.length, head.length + Number(length)));
      rest = rest.slice(head.length + Number(length));
    }
    expect(frames).toHaveLength(2);
    for (const frame of frames)
      expect(frame).toMatch(/^<109>1 .* - role\.changed \[sallyport@32473 seq="\d+".*\] \{.*\}$/);
  });

  test('a silent receiver is given up at the deadline of a run, and the events wait', async () => {
    const receiver = createPlainServer(() => {});
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    onTestFinished(() => void receiver.close());
    const { port: silent } = receiver.address() as AddressInfo;
    const siem = exportHarnessOf(harness, [{ name: 'soc', format: 'ecs', url: `syslogs://127.0.0.1:${silent}` }]);
    const { write } = siem.ports.siem.transport;
    const target = siem.ports.siem.targets[0]!;
    await expect(write({ target, bytes: Buffer.from('x') }, AbortSignal.timeout(100))).rejects.toThrow(/timeout/i);
    await expect(write({ target, bytes: Buffer.from('x') }, AbortSignal.abort())).rejects.toThrow(/abort/i);
  });
});
