import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
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
