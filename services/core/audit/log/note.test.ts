import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, type Json } from './canonical-json.ts';
import { commitmentOf, type LeafEvent, leafOf, sealableDetail } from './leaf.ts';
import {
  checkpointText,
  isKeyName,
  NoteError,
  noteKey,
  openNote,
  parseCheckpoint,
  parseNote,
  parseVkey,
  signNote,
  vkeyOf,
} from './note.ts';
import { parseProof } from './proof.ts';

const NAME = 'sallyport.example/audit';
const VKEY = 'sallyport.example/audit+3dbe7488+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs';
const ROOT = 'NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=';
const SIGNED = 'Pb50iIRAmElEYK1S77OQqu3Tkv2iuRqUWuVbtxV7cw0sYKguuGP3Vcu6ExBBtcn+B0gi9syZhNVEg+O49a7jhEXmmQY=';

// PrivateKeyInfo of Ed25519, without the seed (RFC 8410 §7).
const keyOfSeed = (byte: number): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]),
    format: 'der',
    type: 'pkcs8',
  });
const signerOf = (seed: number, name = NAME) => {
  const key = keyOfSeed(seed);
  const publicKey = Buffer.from(key.export({ format: 'jwk' }).x as string, 'base64url');
  return { key: noteKey(name, publicKey), sign: (message: Uint8Array) => sign(null, message, key) };
};

const checkpoint = { origin: NAME, size: 3, root: Buffer.from(ROOT, 'base64') };
const text = checkpointText(checkpoint);
const signer = signerOf(7);
const note = signNote(text, [signer]);

describe('golden vector', () => {
  test('key id, vkey and checkpoint equal those of the Go libraries, byte for byte', () => {
    expect(vkeyOf(signer.key)).toBe(VKEY);
    expect(note).toBe(`${NAME}\n3\n${ROOT}\n\n\u2014 ${NAME} ${SIGNED}\n`);
    expect(parseCheckpoint(text)).toEqual(checkpoint);
  });
});

describe('opening', () => {
  test('during a rotation the old and the new key of one name sign, and a verifier of either accepts', () => {
    const next = signerOf(8);
    const both = signNote(text, [signer, next]);
    expect(openNote(both, [signer.key]).by).toEqual([signer.key]);
    expect(openNote(both, [next.key]).by).toEqual([next.key]);
    expect(openNote(both, [next.key, signer.key]).by).toEqual([signer.key, next.key]);
  });

  test('ignores signatures of unknown keys, and reads more than sixteen signatures', () => {
    const strangers = Array.from({ length: 20 }, (_, at) => signerOf(20 + at, `stranger${at}`));
    expect(openNote(signNote(text, [...strangers, signer]), [signer.key]).by).toEqual([signer.key]);
    expect(() => openNote(signNote(text, strangers), [signer.key])).toThrow('no trusted key');
  });

  test('rejects a changed text, and a trusted key’s signature over another text', () => {
    expect(() => openNote(note.replace('\n3\n', '\n4\n'), [signer.key])).toThrow('is wrong');
    const forged = { key: signer.key, sign: signerOf(9).sign };
    expect(() => openNote(signNote(text, [forged]), [signer.key])).toThrow('is wrong');
  });

  test.each([
    ['', 'nothing'],
    [text, 'no signature'],
    [note.slice(0, -1), 'no final line feed'],
    [note.replace('\u2014 ', '- '), 'another dash'],
    [note.replace(SIGNED, `${SIGNED.slice(0, -1)}`), 'cut base64'],
    [note.replace(SIGNED, 'AAAA'), 'a signature shorter than a key id'],
    [note.replace(NAME, `${NAME}\t`), 'a control character'],
    [`${note}\ud800\n`, 'a lone surrogate'],
  ])('%#: %s is no note (%s)', (broken) => expect(() => parseNote(broken)).toThrow(NoteError));
});

describe('strict forms', () => {
  test.each([`${VKEY} `, VKEY.replace('3dbe7488', '3dbe7489'), VKEY.replace('+Aep', '+Bep'), 'x', '', `${VKEY}A`])(
    'rejects the vkey %j',
    (vkey) => expect(() => parseVkey(vkey)).toThrow(TypeError),
  );

  test('rejects a key name with a space, a plus sign or a control character', () => {
    expect(['a b', 'a+b', 'a\nb', '', '\u0000', 'a\u2003b'].filter(isKeyName)).toEqual([]);
    expect(isKeyName('sallyport.example/audit-ü')).toBe(true);
  });

  test.each([
    text.replace('\n3\n', '\n03\n'),
    text.replace('\n3\n', '\n-3\n'),
    text.replace('\n3\n', '\n9007199254740992\n'),
    text.replace(ROOT, ROOT.slice(4)),
    text.replace(ROOT, `${ROOT} `),
    `\n3\n${ROOT}\n`,
    text.slice(0, -1),
  ])('%#: no checkpoint', (broken) => expect(() => parseCheckpoint(broken)).toThrow(TypeError));

  test.each([
    'c2sp.org/tlog-proof@v2\nindex 1\n\nx\n',
    'c2sp.org/tlog-proof@v1\nindex 01\n\nx\n',
    `c2sp.org/tlog-proof@v1\nindex 1\n${ROOT.slice(4)}\n\nx\n`,
    'c2sp.org/tlog-proof@v1\nindex 1\n',
    '',
  ])('%#: no proof', (broken) => expect(() => parseProof(broken)).toThrow(TypeError));

  test('reads data of the application in a proof', () => {
    const proof = parseProof(`c2sp.org/tlog-proof@v1\nextra aGk=\nindex 0\n\n${note}`);
    expect(proof).toEqual({ index: 0, hashes: [], checkpoint: note, extra: Buffer.from('hi') });
  });
});

const event: LeafEvent = {
  seq: 7,
  event_id: '0190b1d4-0000-7000-8000-000000000000',
  type: 'user.login',
  outcome: 'refused',
  actor_kind: 'anonymous',
  actor_id: null,
  target_kind: 'user',
  target_id: 'u1',
  client_id: null,
  detail: { reason: 'password', a: 1 },
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  occurred_at: '2026-11-20T10:00:00.000001Z',
  sealed_at: '2026-11-20T10:00:01.000000Z',
  personal: [{ field: 'ip_hash', salt: Buffer.alloc(32, 1), value: '1.abc' }],
};

describe('leaf', () => {
  test('has one exact text: sorted members, null members omitted, personal fields as commitments', () => {
    const commitment = createHash('sha256')
      .update(
        Buffer.concat([
          Buffer.from('sallyport/audit/personal/v1\0ip_hash\0'),
          Buffer.alloc(32, 1),
          Buffer.from('1.abc'),
        ]),
      )
      .digest('base64');
    expect(leafOf(event).toString()).toBe(
      `{"actor":{"kind":"anonymous"},"detail":{"a":1,"reason":"password"},"event_id":"0190b1d4-0000-7000-8000-000000000000",` +
        `"occurred_at":"2026-11-20T10:00:00.000001Z","outcome":"refused","personal":{"ip_hash":"${commitment}"},` +
        `"sealed_at":"2026-11-20T10:00:01.000000Z","seq":7,"target":{"id":"u1","kind":"user"},` +
        `"trace_id":"0af7651916cd43dd8448eb211c80319c","type":"user.login","v":1}`,
    );
  });

  test('contains no personal value, and equal values have different commitments', () => {
    expect(leafOf(event).toString()).not.toContain('1.abc');
    const one = { field: 'ip_hash', salt: Buffer.alloc(32, 1), value: 'x' };
    expect(commitmentOf(one)).not.toEqual(commitmentOf({ ...one, salt: Buffer.alloc(32, 2) }));
    expect(commitmentOf(one)).not.toEqual(commitmentOf({ ...one, field: 'agent_hash' }));
  });

  test('fits its length prefix for any content of the event', () => {
    const longest = 'x'.repeat(128);
    const leaf = leafOf({
      ...event,
      actor_id: longest,
      target_id: longest,
      client_id: longest,
      detail: sealableDetail({ text: 'ü'.repeat(15_900) }),
    });
    expect(leaf.length).toBeLessThanOrEqual(0xff_ff);
  });

  test('contains digest and size of a detail that is too large, never a truncated one', () => {
    const detail = { text: 'x'.repeat(40_000) };
    const text = canonicalJson(detail);
    expect(sealableDetail(detail)).toEqual({
      omitted_bytes: text.length,
      omitted_sha256: createHash('sha256').update(text).digest('base64'),
    });
    expect(sealableDetail({ text: 'x' })).toEqual({ text: 'x' });
  });
});

describe('canonical JSON (RFC 8785)', () => {
  test('the example of §3.2.3: members sorted by UTF-16 code units', () => {
    const members = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const value = Object.fromEntries(members.map((member) => [member, 0]));
    expect(Object.keys(JSON.parse(canonicalJson(value)) as object).filter((member) => member !== '1')).toEqual([
      ...'\r \u0080 \u00f6 \u20ac \ud83d\ude00 \ufb33'.split(' '),
    ]);
  });

  test('the example of §3.2.2: numbers, escapes and literals', () => {
    const value = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    ) as Json;
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('parses to the same value, and serializes to the same text again', () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        const back = JSON.parse(text) as Json;
        expect(back).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(back)).toBe(text);
      }),
    ));
});

test('a detail has the same size in the order of its members and in canonical order', () =>
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const detail = JSON.parse(JSON.stringify(value)) as Json;
      expect(Buffer.byteLength(canonicalJson(detail))).toBe(Buffer.byteLength(JSON.stringify(detail)));
    }),
  ));
