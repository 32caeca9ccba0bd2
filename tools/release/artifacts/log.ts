/**
 * The log of releases: a Sallyport log as static files (c2sp.org/tlog-tiles), made by the functions that seal the product's
 * own. Each artefact is an event of it.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { edgeRoot, emptyEdge, growTree } from '#services/core/audit/log/grow-tree.ts';
import { leafOf } from '#services/core/audit/log/leaf.ts';
import { HASH_BYTES, hashLeaf, inclusionSpans } from '#services/core/audit/log/merkle.ts';
import {
  checkpointText,
  type NoteSigner,
  noteKey,
  openNote,
  parseCheckpoint,
  parseVkey,
  signNote,
  vkeyOf,
} from '#services/core/audit/log/note.ts';
import { formatProof } from '#services/core/audit/log/proof.ts';
import { entryBundle, hashSpans, TILE_WIDTH, tilePath } from '#services/core/audit/log/tiles.ts';
import { withFileLock } from '#services/platform/local/file-lock.mjs';
import type { Artifact } from './packages.ts';

export type LogPlace = { readonly log: string; readonly keyFile: string };
type Release = { readonly version: string; readonly commit: string };

/** What the key signed last, beside it: it signs nothing over an older copy of the log. */
const headOf = (keyFile: string): string => `${keyFile}.head`;
const TYPE = 'release.artifact_published';
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The key of a log's signatures. @throws if other users can read the file */
function signerOf(name: string, keyFile: string): NoteSigner {
  if ((statSync(keyFile).mode & 0o077) !== 0)
    throw new Error(`other users can read the key file ${keyFile}\n  fix: chmod 600 ${keyFile}`);
  const key = createPrivateKey(readFileSync(keyFile));
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    key: noteKey(name, Buffer.from(x, 'base64url')),
    sign: (message) => sign(null, message, key),
  };
}

/** Writes the file whole or not at all. */
function put(path: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

/** Makes a key and an empty log of this name. @throws if one of them is there */
export function makeLog({ log, keyFile }: LogPlace, name: string): void {
  if (existsSync(keyFile)) throw new Error(`${keyFile} is there: a key is never replaced by a new one`);
  if (existsSync(join(log, 'checkpoint'))) throw new Error(`${log} has a log`);
  const { privateKey } = generateKeyPairSync('ed25519');
  mkdirSync(dirname(keyFile), { recursive: true });
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  const signer = signerOf(name, keyFile);
  const text = checkpointText({ origin: name, size: 0, root: edgeRoot(emptyEdge) });
  put(join(log, 'vkey'), `${vkeyOf(signer.key)}\n`);
  put(join(log, 'checkpoint'), signNote(text, [signer]));
}

/** A bundle of leaves that `entryBundle` made. */
function leavesOf(bundle: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
    leaves.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
  return leaves;
}

/** Numbers and widths of the tiles that hold `count` hashes or leaves. */
const tilesFor = (count: number): { n: number; width: number }[] =>
  Array.from({ length: Math.ceil(count / TILE_WIDTH) }, (_, n) => ({
    n,
    width: Math.min(TILE_WIDTH, count - n * TILE_WIDTH),
  }));

/** @returns signer and leaves @throws if the log is not what its key signed last */
export function readLog({ log, keyFile }: LogPlace): { signer: NoteSigner; leaves: Buffer[] } {
  if (!existsSync(join(log, 'vkey')) || !existsSync(keyFile))
    throw new Error(`there is no log in ${log}, or no key in ${keyFile}\n  fix: --new-log NAME makes both`);
  const pinned = parseVkey(readFileSync(join(log, 'vkey'), 'utf8').trim());
  const signer = signerOf(pinned.name, keyFile);
  if (vkeyOf(signer.key) !== vkeyOf(pinned)) throw new Error(`${keyFile} is not the key of the log in ${log}`);
  const { origin, size, root } = parseCheckpoint(
    openNote(readFileSync(join(log, 'checkpoint'), 'utf8'), [pinned]).text,
  );
  const leaves = tilesFor(size).flatMap(({ n, width }) =>
    leavesOf(readFileSync(join(log, tilePath({ level: 'entries', n, width })))),
  );
  const treeOf = (count: number) => growTree(emptyEdge, leaves.slice(0, count).map(hashLeaf)).edge;
  const edge = treeOf(size);
  if (origin !== pinned.name || leaves.length !== size || !edgeRoot(edge).equals(root))
    throw new Error(`the log in ${log} is not what its checkpoint says: restore it from a copy`);
  const last = existsSync(headOf(keyFile)) ? parseCheckpoint(readFileSync(headOf(keyFile), 'utf8')) : undefined;
  if (last && (last.size > size || !edgeRoot(treeOf(last.size)).equals(last.root)))
    throw new Error(`the log in ${log} lacks what the key signed last: restore a later copy of it`);
  return { signer, leaves };
}

type Published = { readonly target: { readonly id: string }; readonly detail: { sha256: string; version: string } };

/** Of each version there is one. The names of all others have a version of their own. */
const OF_VERSION = ['SHA256SUMS', 'verify-release.mjs'];

/** Where an artefact is in the log. @throws if another one of its name was published */
function placeOf(leaves: readonly Buffer[], { name, bytes }: Artifact, version: string): number {
  const events = leaves.map((leaf) => JSON.parse(leaf.toString()) as Published);
  const isSame = (detail: Published['detail']): boolean => !OF_VERSION.includes(name) || detail.version === version;
  const at = events.findIndex(({ target, detail }) => target.id === name && isSame(detail));
  if (at !== -1 && events[at]?.detail.sha256 !== sha256(bytes))
    throw new Error(`${name} was published with other bytes: give the release another version`);
  return at;
}

/**
 * Appends an event for each artefact that the log does not hold, and signs its new head.
 * @returns a `.tlog-proof` for each, with the event in it
 */
export async function publish(
  place: LogPlace,
  artifacts: readonly Artifact[],
  { version, commit }: Release,
): Promise<Artifact[]> {
  // Of the file, not of a name for it: two that sign with one key could fork the log.
  return withFileLock(`${realpathSync(place.keyFile)}.lock`, async () => {
    const { signer, leaves } = readLog(place);
    const now = new Date().toISOString().replace('Z', '000Z');
    const indexes = artifacts.map((artifact) => {
      const known = placeOf(leaves, artifact, version);
      if (known !== -1) return known;
      const { name, bytes } = artifact;
      const leaf = leafOf({
        ...{ seq: leaves.length, event_id: randomUUID(), type: TYPE, outcome: 'ok', client_id: null, trace_id: null },
        ...{ actor_kind: 'system', actor_id: 'release', target_kind: 'artifact', target_id: name, personal: [] },
        ...{ detail: { commit, sha256: sha256(bytes), size: bytes.length, version }, occurred_at: now, sealed_at: now },
      });
      return leaves.push(leaf) - 1;
    });
    const { edge, tiles } = growTree(emptyEdge, leaves.map(hashLeaf));
    for (const { level, n, hashes } of tiles)
      put(join(place.log, tilePath({ level, n, width: hashes.length / HASH_BYTES })), hashes);
    for (const { n, width } of tilesFor(edge.size))
      put(
        join(place.log, tilePath({ level: 'entries', n, width })),
        entryBundle(leaves.slice(n * TILE_WIDTH, n * TILE_WIDTH + width)),
      );
    const text = checkpointText({ origin: signer.key.name, size: edge.size, root: edgeRoot(edge) });
    const checkpoint = signNote(text, [signer]);
    // Last: what it signs is in place.
    put(join(place.log, 'checkpoint'), checkpoint);
    put(headOf(place.keyFile), text);
    const hashes = new Map(tiles.map((tile) => [`${tile.level}/${tile.n}`, tile.hashes]));
    const tileSet = { get: (level: number, n: number) => hashes.get(`${level}/${n}`) };
    return artifacts.map(({ name }, at) => {
      const index = indexes[at] as number;
      const path = hashSpans(inclusionSpans(index, edge.size), tileSet);
      const proof = formatProof({ index, hashes: path, checkpoint, extra: leaves[index] as Buffer });
      return { name: `${name}.tlog-proof`, bytes: Buffer.from(proof) };
    });
  });
}
