import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifyInclusion } from '#console/src/data/inclusion.ts';
import { followRotations, ProofError } from '#console/src/data/notes.ts';
import {
  foldHashes,
  hashLeaf,
  hashNode,
  inclusionSpans,
  rootSpan,
  type Span,
} from '#services/core/audit/log/merkle.ts';
import { checkpointText, type NoteSigner, noteKey, signNote, vkeyOf } from '#services/core/audit/log/note.ts';
import { formatProof } from '#services/core/audit/log/proof.ts';
import { joinNotes, rotationText } from '#services/core/audit/log/rotation.ts';

const ORIGIN = 'console.test/audit';
const LEAVES = Array.from({ length: 40 }, (_, at) => Buffer.from(`leaf ${at}`));

function newSigner(name = ORIGIN): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { key: noteKey(name, point), sign: (message) => sign(null, message, privateKey) };
}

const subtree = (level: number, index: number): Buffer =>
  level === 0
    ? hashLeaf(LEAVES[index] as Buffer)
    : hashNode(subtree(level - 1, index * 2), subtree(level - 1, index * 2 + 1));
const hashOf = (span: Span): Buffer => foldHashes(span.map(({ level, index }) => subtree(level, index)));

const signer = newSigner();
const vkey = vkeyOf(signer.key);

/** What the server sends for one leaf of a log of this size. */
function proofOf(index: number, size: number, by = signer, root = hashOf(rootSpan(size))): string {
  const checkpoint = signNote(checkpointText({ origin: by.key.name, size, root }), [by]);
  return formatProof({ index, hashes: inclusionSpans(index, size).map(hashOf), checkpoint });
}

const faultOf = async (run: Promise<unknown>): Promise<string> => {
  const error = await run.then(
    () => undefined,
    (err: unknown) => err,
  );
  return error instanceof ProofError ? error.fault : `no fault: ${String(error)}`;
};

describe('the proof that the browser verifies', () => {
  test('holds for every leaf of logs of every size up to 40', async () => {
    for (let size = 1; size <= LEAVES.length; size += 1)
      for (let index = 0; index < size; index += 1) {
        const leaf = LEAVES[index] as Buffer;
        const found = await verifyInclusion(leaf, { origin: ORIGIN, index }, proofOf(index, size), [vkey]);
        expect(found).toMatchObject({ origin: ORIGIN, index, size, vkey });
      }
  });

  test('fails with the reason for each thing that was changed', async () => {
    const place = { origin: ORIGIN, index: 5 };
    const leaf = LEAVES[5] as Buffer;
    const good = proofOf(5, 23);
    const lines = good.split('\n');
    const withLine = (at: number, line: string): string => lines.with(at, line).join('\n');
    const verify = (proof: string, own = leaf, at = place, key = vkey) =>
      faultOf(verifyInclusion(own, at, proof, [key]));
    const changed: readonly [what: string, found: Promise<string>, fault: string][] = [
      ['leaf', verify(good, Buffer.from('leaf 6')), 'wrong_root'],
      ['sibling', verify(withLine(3, Buffer.alloc(32, 7).toString('base64'))), 'wrong_root'],
      ['short path', verify(lines.toSpliced(3, 1).join('\n')), 'wrong_root'],
      ['long path', verify(lines.toSpliced(3, 0, lines[3] as string).join('\n')), 'wrong_root'],
      ['index', verify(withLine(1, 'index 4')), 'wrong_place'],
      ['beyond', verify(proofOf(5, 23).replace(/^23$/m, '3')), 'not_signed'],
      ['place', verify(good, leaf, { origin: ORIGIN, index: 6 }), 'wrong_place'],
      ['origin', verify(good, leaf, { origin: 'another.test/audit', index: 5 }), 'wrong_log'],
      ['root', verify(proofOf(5, 23, signer, Buffer.alloc(32, 1))), 'wrong_root'],
      ['other key', verify(proofOf(5, 23, newSigner())), 'not_signed'],
      ['unsigned', verify(good.replace(/\u2014 .*/, '')), 'not_signed'],
      ['not a proof', verify('<html>'), 'proof_malformed'],
      ['not Base64', verify(withLine(3, '???')), 'proof_malformed'],
      ['not a key', verify(good, leaf, place, 'console.test+00000000+AAAA'), 'proof_malformed'],
    ];
    for (const [what, found, fault] of changed) expect([what, await found]).toEqual([what, fault]);
  });

  test('is of a place that the signed head has', async () => {
    const note = signNote(checkpointText({ origin: ORIGIN, size: 5, root: hashOf(rootSpan(5)) }), [signer]);
    const proof = formatProof({ index: 5, hashes: [], checkpoint: note });
    expect(await faultOf(verifyInclusion(LEAVES[5] as Buffer, { origin: ORIGIN, index: 5 }, proof, [vkey]))).toBe(
      'wrong_place',
    );
  });
});

describe('the key that the browser trusts', () => {
  const [first, second, third, stranger] = [newSigner(), newSigner(), newSigner(), newSigner()];
  const rotation = (from: NoteSigner, to: NoteSigner, by = from): string =>
    signNote(rotationText(from.key, to.key), [by]);
  const [one, three] = [vkeyOf(first.key), vkeyOf(third.key)];

  test('is followed through each note that a trusted key signed', async () => {
    const notes = joinNotes([rotation(first, second), rotation(stranger, stranger), rotation(second, third)]);
    expect(await followRotations([one], [three], notes)).toEqual([one, vkeyOf(second.key), three]);
    expect(await followRotations([one], [one], '')).toEqual([one]);
    // While a key and its successor both sign, the log shows both.
    expect(await followRotations([one], [one, vkeyOf(second.key)], notes)).toContain(vkeyOf(second.key));
  });

  test('is not replaced by a key that no trusted key names', async () => {
    expect(await faultOf(followRotations([one], [three], ''))).toBe('key_replaced');
    expect(await faultOf(followRotations([one], [three], joinNotes([rotation(second, third)])))).toBe('key_replaced');
    expect(await faultOf(followRotations([one], [three], joinNotes([rotation(first, third, stranger)])))).toBe(
      'not_signed',
    );
  });
});
