import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { PARTS, STEPS, type VerifiedBundle, verifyBundle } from '#console/src/data/bundle.ts';
import { type ReadTile, tilePath, verifyConsistency } from '#console/src/data/consistency.ts';
import { verifyInclusion } from '#console/src/data/inclusion.ts';
import { followRotations, ProofError } from '#console/src/data/notes.ts';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
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
import { tilePath as tilePathOfServer } from '#services/core/audit/log/tiles.ts';
import { digestOf, noteTextOf, signReport } from '#services/wings/compliance/reports/report-note.ts';
import type { ReportDocument, ReportItem, ReportProof } from '#services/wings/compliance/reports/report-shapes.ts';
import { verifyBundle as verifyAsCommand } from '#services/wings/compliance/reports/verify-bundle.ts';

const ORIGIN = 'console.test/audit';

function newSigner(name = ORIGIN): NoteSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { key: noteKey(name, point), sign: (message) => sign(null, message, privateKey) };
}

/** A log of these leaves: its hashes, roots and proofs at any size. */
function logOf(leaves: readonly Buffer[], by: NoteSigner) {
  const kept = new Map<string, Buffer>();
  const subtree = (level: number, index: number): Buffer => {
    const name = `${level}/${index}`;
    const found =
      kept.get(name) ??
      (level === 0
        ? hashLeaf(leaves[index] as Buffer)
        : hashNode(subtree(level - 1, index * 2), subtree(level - 1, index * 2 + 1)));
    kept.set(name, found);
    return found;
  };
  const fold = (span: Span): Buffer => foldHashes(span.map(({ level, index }) => subtree(level, index)));
  const rootAt = (size: number): Buffer => fold(rootSpan(size));
  const checkpointAt = (size: number, root = rootAt(size)): string =>
    signNote(checkpointText({ origin: by.key.name, size, root }), [by]);
  return {
    subtree,
    rootAt,
    checkpointAt,
    proofOf: (index: number, size: number, checkpoint = checkpointAt(size)): string =>
      formatProof({ index, hashes: inclusionSpans(index, size).map(fold), checkpoint }),
  };
}

const signer = newSigner();
const vkey = vkeyOf(signer.key);
const REPORT_ID = '0190a5e2-0000-7000-8000-00000000c0de';

const itemOf = (name: string, isMachine: boolean): ReportItem => ({
  control_id: name,
  title: `Control ${name} – geprüft`,
  clause: '164.308(a)',
  profile: 'current',
  requirement: 'required',
  kind: isMachine ? 'machine' : 'attestation',
  status: isMachine ? 'pass' : 'unknown',
  reason: isMachine ? null : 'not attested yet',
  human_duty: 'keep the records',
  check: isMachine
    ? {
        probe: 'counts rows',
        probe_version: 1,
        evidence: 'rows',
        population_of: 'users',
        population: 12,
        sampled: 12,
        exceptions: [],
        exception_count: 0,
        observed: { rows: 12, share: 0.5, names: ['a', 'ü'] },
        observed_sha256: digestOf({ rows: 12, share: 0.5, names: ['a', 'ü'] }),
        release: '0.3.0',
        collector: 'worker',
        started_at: '2026-11-25T10:00:00.000Z',
        ended_at: '2026-11-25T10:00:01.000Z',
      }
    : null,
  attestation: null,
});

/** A report of two controls whose evidence is in a log of 23 entries, under heads of two sizes. */
function newReport(by = signer): ReportDocument {
  const items = [itemOf('subjects-unique', true), itemOf('training', false)];
  const leaves = Array.from({ length: 23 }, (_, at) => Buffer.from(`leaf ${at}`));
  const places = [5, 17];
  for (const [at, item] of items.entries())
    leaves[places[at] as number] = Buffer.from(
      canonicalJson({
        v: 1,
        seq: places[at] as number,
        event_id: `event-${at}`,
        type: 'compliance.evidence_collected',
        outcome: item.status,
        target: { kind: 'control', id: item.control_id },
        detail: { report_id: REPORT_ID, item_sha256: digestOf(item) },
      }),
    );
  const log = logOf(leaves, by);
  const sizes = [19, 23];
  return {
    v: 1,
    report_id: REPORT_ID,
    kind: 'demand',
    period: null,
    requested_by: 'user:ada',
    requested_at: '2026-11-25T10:00:00.000Z',
    built_at: '2026-11-25T10:00:05.000Z',
    release: '0.3.0',
    origin: ORIGIN,
    vkeys: [vkeyOf(by.key)],
    disclaimer: 'It shows evidence.',
    summary: { pass: 1, fail: 0, error: 0, not_applicable: 0, unknown: 1 },
    previous: null,
    controls: items,
    proofs: items.map((item, at) => ({
      control_id: item.control_id,
      event_id: `event-${at}`,
      seq: places[at] as number,
      item_sha256: digestOf(item),
      leaf: (leaves[places[at] as number] as Buffer).toString('base64'),
      proof: log.proofOf(places[at] as number, sizes[at] as number),
    })),
  };
}

let text: string;
beforeAll(() => {
  text = signReport(newReport(), [signer]).bundle;
});

const faultsOf = ({ parts, items }: VerifiedBundle): string[] => [
  ...parts.flatMap(({ part, fault }) => (fault === null ? [] : [`${part}: ${fault}`])),
  ...items.flatMap(({ controlId, steps }) =>
    STEPS.flatMap((step) => (steps[step] === null ? [] : [`${controlId} ${step}: ${steps[step]}`])),
  ),
];

/** The bundle with a change, signed again by a key: what only a check of the content can find. */
function signedAgain(change: (report: Json) => void, by = signer): string {
  const report = structuredClone(newReport()) as unknown as Json;
  change(report);
  const changed = report as unknown as ReportDocument;
  const note = signNote(noteTextOf(changed, digestOf(changed)), [by]);
  return `${canonicalJson({ note, report })}\n`;
}

type Mutable = { [member: string]: Mutable } & Mutable[];
type Path = readonly (string | number)[];
const at = (report: Json, ...path: Path): Mutable =>
  path.reduce((value, name) => value[name as number] as Mutable, report as unknown as Mutable);
/** The change that puts a value at a place. */
const put = (path: Path, value: unknown) => (report: Json) => {
  at(report, ...path.slice(0, -1))[path.at(-1) as number] = value as Mutable;
};

describe('the bundle that the browser verifies', () => {
  test('holds in every part and every step, with a key that was given and with its own', async () => {
    for (const keys of [[vkey], [], [vkeyOf(newSigner().key), vkey]]) {
      const found = await verifyBundle(text, keys);
      expect(faultsOf(found)).toEqual([]);
      expect(found).toMatchObject({ isValid: true, head: { origin: ORIGIN, size: 23 } });
      expect(found.parts.map(({ part }) => part)).toEqual([...PARTS]);
      expect(found.items.map(({ controlId }) => controlId)).toEqual(['subjects-unique', 'training']);
    }
  });

  test('fails for every byte that is changed, as with the command', async () => {
    const bytes = Buffer.from(text);
    // Every byte of the note, and every seventh of the report, which one digest covers.
    const places = Array.from(bytes.keys()).filter((place) => place < 400 || place % 7 === 0);
    const unseen: number[] = [];
    for (const place of places) {
      const changed = Buffer.from(bytes);
      changed[place] = (changed[place] as number) ^ 1;
      const one = changed.toString();
      if ((await verifyBundle(one, [vkey])).isValid || verifyAsCommand(one, [vkey]).valid) unseen.push(place);
    }
    expect(places.length).toBeGreaterThan(800);
    expect(unseen).toEqual([]);
  });

  test('names what is wrong in a bundle that its signer made, as the command does', async () => {
    const other = newSigner();
    const planted: Readonly<Record<string, [text: string, faults: readonly string[]]>> = {
      observed: [
        signedAgain(put(['controls', 0, 'check', 'observed', 'rows'], 13)),
        ['subjects-unique observed: observed_changed', 'subjects-unique item: item_changed'],
      ],
      item: [signedAgain(put(['controls', 1, 'reason'], 'other')), ['training item: item_changed']],
      status: [
        signedAgain(put(['controls', 1, 'status'], 'pass')),
        ['summary: counts_differ', 'training item: item_changed', 'training event: event_differs'],
      ],
      event: [signedAgain(put(['proofs', 1, 'seq'], 18)), ['training event: event_differs']],
      leaf: [
        signedAgain((report) => put(['proofs', 1, 'leaf'], at(report, 'proofs', 0).leaf)(report)),
        ['training event: event_differs', 'training place: wrong_root'],
      ],
      notALeaf: [
        signedAgain(put(['proofs', 1, 'leaf'], 'AAB=')),
        ['training event: leaf_malformed', 'training place: proof_malformed'],
      ],
      place: [
        signedAgain((report) => {
          const proof = at(report, 'proofs', 1) as unknown as { proof: string };
          proof.proof = proof.proof.replace('index 17', 'index 16');
        }),
        ['training place: wrong_root'],
      ],
      anotherLog: [
        signedAgain(put(['origin'], 'another.test/audit')),
        ['subjects-unique place: wrong_log', 'training place: wrong_log'],
      ],
      noProof: [
        signedAgain((report) => void at(report, 'proofs').splice(1, 1)),
        ['training item: no_place', 'training event: no_place', 'training place: no_place'],
      ],
      noControl: [
        signedAgain((report) => {
          at(report, 'controls').splice(1, 1);
          put(['summary', 'unknown'], 0)(report);
        }),
        ['controls: control_missing'],
      ],
      twice: [
        signedAgain((report) => {
          at(report, 'controls').push(structuredClone(at(report, 'controls', 1)));
          put(['summary', 'unknown'], 2)(report);
        }),
        ['controls: control_twice'],
      ],
      summary: [signedAgain(put(['summary', 'fail'], 1)), ['summary: counts_differ']],
      key: [
        signedAgain(put(['vkeys'], ['console.test+00000000+AAAA'])),
        // Without a key that was given.
        [
          'keys: key_malformed',
          'signature: not_signed',
          'subjects-unique place: not_signed',
          'training place: not_signed',
        ],
      ],
      signer: [signedAgain(() => undefined, other), ['signature: not_signed']],
      member: [signedAgain(put(['more'], 1)), ['form: wrong_form']],
      form: [signedAgain(put(['controls', 1, 'status'], 'fine')), ['form: wrong_form']],
      notJson: [text.slice(1), ['form: not_json']],
      spaces: [` ${text}`, ['form: not_canonical']],
    };
    for (const [name, [one, faults]] of Object.entries(planted)) {
      const keys = name === 'key' ? [] : [vkey];
      const found = await verifyBundle(one, keys);
      expect([name, faultsOf(found)]).toEqual([name, faults]);
      expect([name, found.isValid, verifyAsCommand(one, keys).valid]).toEqual([name, false, false]);
    }
  });

  test('finds signed heads of one size with two roots, which show that the log was forked', async () => {
    const report = newReport();
    const [first, second] = report.proofs as unknown as [ReportProof, ReportProof];
    const forked = logOf(
      Array.from({ length: 23 }, (_, place) => Buffer.from(`other ${place}`)),
      signer,
    );
    const proof = second.proof.replace(/\n\n.*/s, `\n\n${forked.checkpointAt(19)}`);
    const one = signReport({ ...report, proofs: [first, { ...second, proof }] }, [signer]).bundle;
    expect(faultsOf(await verifyBundle(one, [vkey]))).toEqual(['heads: heads_differ', 'training place: wrong_root']);
  });
});

describe('the log of today', () => {
  const leaves = Array.from({ length: 1_100 }, (_, place) => Buffer.from(`leaf ${place}`));
  const log = logOf(leaves, signer);
  const headAt = (size: number, from = log) => ({ origin: ORIGIN, size, root: new Uint8Array(from.rootAt(size)) });
  const tilesOf =
    (size: number, from = log): ReadTile =>
    async ({ level, n, width }) => {
      expect(n * 256 + width).toBeLessThanOrEqual(Math.floor(size / 256 ** level));
      const hashes = Array.from({ length: width }, (_, each) => from.subtree(level * 8, n * 256 + each));
      return new Uint8Array(Buffer.concat(hashes));
    };
  const SIZES = [1, 2, 3, 7, 8, 255, 256, 257, 768, 1_100];

  test('continues each earlier head, by its tiles alone', async () => {
    for (const later of SIZES)
      for (const earlier of SIZES.filter((size) => size <= later))
        await verifyConsistency(headAt(earlier), headAt(later), tilesOf(later));
    await verifyConsistency({ origin: ORIGIN, size: 0, root: new Uint8Array(32) }, headAt(3), tilesOf(3));
  });

  test('does not continue a head of other entries, a longer one, or one of another log', async () => {
    const changed = logOf(leaves.with(3, Buffer.from('other')), signer);
    const fault = (run: Promise<void>) => run.then(() => null).catch((error: unknown) => (error as ProofError).fault);
    expect([
      await fault(verifyConsistency(headAt(513), headAt(1_100, changed), tilesOf(1_100, changed))),
      // Tiles of the old entries, under a new root.
      await fault(verifyConsistency(headAt(513), headAt(1_100, changed), tilesOf(1_100))),
      await fault(verifyConsistency(headAt(513), headAt(512), tilesOf(512))),
      await fault(verifyConsistency(headAt(513), { ...headAt(1_100), origin: 'other' }, tilesOf(1_100))),
      await fault(verifyConsistency(headAt(513), headAt(1_100), async () => new Uint8Array(32))),
    ]).toEqual(['wrong_root', 'wrong_root', 'wrong_log', 'wrong_log', 'proof_malformed']);
  });

  test.each([
    { level: 0, n: 1_234_067, width: 256 },
    { level: 1, n: 0, width: 1 },
    { level: 2, n: 1_000, width: 255 },
  ])('is read at the addresses where the log serves it: %o', (tile) => {
    expect(tilePath(tile)).toBe(tilePathOfServer(tile));
  });
});

const LEAVES = Array.from({ length: 40 }, (_, at) => Buffer.from(`leaf ${at}`));

const subtree = (level: number, index: number): Buffer =>
  level === 0
    ? hashLeaf(LEAVES[index] as Buffer)
    : hashNode(subtree(level - 1, index * 2), subtree(level - 1, index * 2 + 1));
const hashOf = (span: Span): Buffer => foldHashes(span.map(({ level, index }) => subtree(level, index)));

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
