import { expect, test } from 'vitest';
import { SIEM_EVENTS } from './siem-events.ts';
import { HOSTILE, SOURCE, sealedEvent } from './siem-harness.ts';
import { MESSAGE_BYTES_MAX, toSyslog } from './syslog.ts';
import { toEcs } from './to-ecs.ts';

const framed = (changes: Parameters<typeof sealedEvent>[0] = {}): string =>
  toSyslog(sealedEvent(changes), SOURCE, toEcs);

/** The message in a frame, which must be as long as the frame says. */
function messageIn(frame: string): string {
  const [, length, message = ''] = /^([1-9]\d*) (.*)$/s.exec(frame) ?? [];
  expect(Buffer.byteLength(message)).toBe(Number(length));
  return message;
}

test('is a message of RFC 5424 in a frame that counts its octets', () => {
  const message = messageIn(framed());
  const [head, text] = message.split(/(?<=\]) /);
  expect(head).toBe(
    '<110>1 2026-11-23T18:00:00.123456Z auth.example.test sallyport - user.login [sallyport@32473 seq="4711" id="0199f0a2-7c1e-7d2b-9c55-0c6d5a0a4b11" type="user.login" outcome="ok" actor="user:u-1" target="user:u-1" client="web"]',
  );
  expect(JSON.parse(text as string)).toEqual(toEcs(sealedEvent(), SOURCE));
});

test.each([
  ['user.login', 110],
  ['access.denied', 109],
  ['key_encryption.changed', 108],
  ['token.refresh_reused', 107],
  ['key.compromised', 106],
])('%s has the priority %i: log audit, and its severity', (type, priority) => {
  expect(messageIn(framed({ type }))).toMatch(new RegExp(`^<${priority}>1 `));
});

test('log injection: hostile text adds no line, no message, no parameter and no control character', () => {
  const message = messageIn(
    framed({
      detail: { name: HOSTILE, [HOSTILE]: 1 },
      actor: { kind: 'system', id: HOSTILE },
      target: { kind: 'user', id: HOSTILE },
      client_id: HOSTILE,
    }),
  );
  expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
  const data = /\[sallyport@32473((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")+)\] /.exec(message);
  expect([...(data?.[1] ?? '').matchAll(/ ([a-z]+)="(?:[^"\\\]]|\\.)*"/g)].map(([, name]) => name)).toEqual(
    'seq id type outcome actor target client'.split(' '),
  );
  const text = message.slice(data!.index + data![0].length);
  expect(text).toMatch(/^[\x20-\x7e]+$/);
  expect(JSON.parse(text).sallyport.detail.name).toBe(HOSTILE);
});

test('what is absent has no parameter, and a target without an id only its kind', () => {
  const message = messageIn(framed({ actor: { kind: 'anonymous', id: null }, target: null, client_id: null }));
  expect(message).toContain(' actor="anonymous"]');
  expect(messageIn(framed({ target: { kind: 'role', id: null } }))).toContain(' target="role:"');
});

test('a detail that makes the message too long for a receiver is replaced by its size and digest', () => {
  const message = messageIn(framed({ detail: { text: 'ü'.repeat(MESSAGE_BYTES_MAX) } }));
  expect(Buffer.byteLength(message)).toBeLessThan(2_000);
  expect(JSON.parse(message.slice(message.indexOf('] ') + 2)).sallyport.detail).toEqual({
    omitted_bytes: 2 * MESSAGE_BYTES_MAX + '{"text":""}'.length,
    omitted_sha256: expect.stringMatching(/^[\w+/]{43}=$/),
  });
});

test('every type fits into the field for it', () => {
  for (const type of Object.keys(SIEM_EVENTS)) expect(messageIn(framed({ type }))).toContain(` sallyport - ${type} [`);
});
