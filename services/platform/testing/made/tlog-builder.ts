// For tests only: a log in C2SP forms, built the plain way from its leaves. Shares no code with the sealer nor the verifier.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const hashLeaf = (leaf: Uint8Array): Buffer => sha256(Buffer.of(0), leaf);
const hashNode = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** RFC 6962 §2.1, as it is defined. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0]!;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return hashNode(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

/** RFC 6962 §2.1.1, as it is defined. */
function pathOf(index: number, hashes: readonly Buffer[]): Buffer[] {
  if (hashes.length === 1) return [];
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  const [left, right] = [hashes.slice(0, split), hashes.slice(split)];
  return index < split ? [...pathOf(index, left), rootOf(right)] : [...pathOf(index - split, right), rootOf(left)];
}

export type TlogSigner = {
  readonly name: string;
  readonly vkey: string;
  readonly key: KeyObject;
  readonly id: Buffer;
  readonly type: 1 | 4;
};

/** An Ed25519 signer whose key is 32 times this byte; `type` 4 is a witness's. */
export function tlogSigner(name: string, seedByte: number, type: 1 | 4 = 1): TlogSigner {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const der = Buffer.concat([prefix, Buffer.alloc(32, seedByte)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicBytes = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(type), publicBytes]);
  const id = sha256(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  return { name, key, id, type, vkey: `${name}+${id.toString('hex')}+${typed.toString('base64')}` };
}

export const checkpointText = (origin: string, size: number, root: Uint8Array): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;

/** A signature line over the text of a note; a witness's says when. */
export function signatureLine(signer: TlogSigner, text: string, unixSeconds = 0): string {
  const line = (bytes: Uint8Array): string =>
    `\u2014 ${signer.name} ${Buffer.concat([signer.id, bytes]).toString('base64')}\n`;
  if (signer.type === 1) return line(sign(null, Buffer.from(text), signer.key));
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(unixSeconds));
  return line(
    Buffer.concat([time, sign(null, Buffer.from(`cosignature/v1\ntime ${unixSeconds}\n${text}`), signer.key)]),
  );
}

const indexName = (n: number): string => {
  const digits = String(n).padStart(Math.ceil(String(n).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g)!;
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
};

export type TlogFiles = Map<string, Buffer>;

/** The files of a log over these leaves: entries, tiles, checkpoint, vkey. */
export function buildTlog(leaves: readonly Uint8Array[], signer: TlogSigner): TlogFiles {
  const files: TlogFiles = new Map();
  const put = (level: number | 'entries', n: number, width: number, bytes: Buffer): void =>
    void files.set(`tile/${level}/${indexName(n)}${width === 256 ? '' : `.p/${width}`}`, bytes);
  for (let n = 0; n * 256 < leaves.length; n += 1) {
    const bundle = leaves.slice(n * 256, (n + 1) * 256);
    const framed = bundle.flatMap((leaf) => [Buffer.of(leaf.length >> 8, leaf.length & 255), leaf]);
    put('entries', n, bundle.length, Buffer.concat(framed));
  }
  let row = leaves.map(hashLeaf);
  const root = rootOf(row);
  for (let level = 0; row.length > 0; level += 1) {
    const above: Buffer[] = [];
    for (let n = 0; n * 256 < row.length; n += 1) {
      const tile = row.slice(n * 256, (n + 1) * 256);
      put(level, n, tile.length, Buffer.concat(tile));
      if (tile.length === 256) above.push(rootOf(tile));
    }
    row = above;
  }
  const text = checkpointText(signer.name, leaves.length, root);
  files.set('checkpoint', Buffer.from(`${text}\n${signatureLine(signer, text)}`));
  files.set('vkey', Buffer.from(`${signer.vkey}\n`));
  return files;
}

/** A `.tlog-proof` of one leaf in the log over these. */
export function buildProof(leaves: readonly Uint8Array[], index: number, signer: TlogSigner): string {
  const hashes = leaves.map(hashLeaf);
  const text = checkpointText(signer.name, leaves.length, rootOf(hashes));
  const path = pathOf(index, hashes).map((hash) => `${hash.toString('base64')}\n`);
  return `c2sp.org/tlog-proof@v1\nindex ${index}\n${path.join('')}\n${text}\n${signatureLine(signer, text)}`;
}

/** Writes files of a log below a folder. */
export function writeTlog(folder: string, files: TlogFiles): void {
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}
