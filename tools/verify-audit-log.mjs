#!/usr/bin/env node
// Verifies a Sallyport audit log, or any log in the C2SP tlog-tiles form, from its published bytes alone.
// One file, Node 20 or newer, no dependency, and no line shared with the code that seals: hand it to an auditor.
import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `Usage:
  verify-audit-log.mjs SOURCE [options]
  verify-audit-log.mjs --proof FILE --leaf FILE --vkey KEY [options]

SOURCE   a folder written by "sallyport audit export", a tar of it, or the public address of a running log
         (https://HOST/v1/audit/log); or a file of a release with its .tlog-proof beside it, or a folder with SHA256SUMS and the
         files that it names, each with its proof

Every entry is read, the tree is built again from the entries, and compared with the tiles and the signed checkpoints.

Options:
  --vkey KEY        a key to trust, as text or as a file of one key per line; may be repeated. Get it from the operator
                    or a contract, not from the log. Without it: the keys in the state file, which an earlier run with
                    --vkey wrote. With neither, the log is read but not authenticated (exit code 6)
  --origin NAME     the log that is expected (default: the name in the key)
  --state FILE      what was last verified of the log and of those before it: keys, size and root. One that shrank,
                    forked or is gone is found out. Only a run with a trusted key writes it.
                    Default for an address: $XDG_STATE_HOME or ~/.local/state, sallyport/audit-log/; for files: none
  --no-state        neither read nor write one
  --save FILE       write the checkpoint once all of the log is verified under it (implies --complete)
  --since FILE      a checkpoint that --save wrote, or the .tlog-proof of a release: SOURCE is then a log, entries before
                    it are not read again, and the log is shown to continue it (RFC 9162 section 2.1.4)
  --witness KEY     key of a witness whose cosignature counts; may be repeated
  --quorum N        how many of them must have signed (default: all that are named)
  --max-age SECONDS how old their cosignatures may be
  --complete        fail when entries of the log are left out of the export
  --raw             entries are bytes of any kind: do not read them as events
  --proof FILE      a .tlog-proof of one entry
  --leaf FILE       that entry: its exact bytes
  --rotations FILE  with --proof: signed notes by which the log's keys replaced each other, as the log serves them in
                    key-rotations
  --json            the result as one line of JSON
  -q, --quiet       nothing on stderr
  -h, --help        this text

A key that replaced a trusted key is trusted if the trusted key signed the note that names it. No entry of the log can
make a key trusted.

Exit codes: 0 verified · 1 something is wrong, each fault is named · 2 usage · 3 out of reach · 6 not authenticated: no
fault was found, but the key came with the log: give --vkey`;

const EXIT = { ok: 0, faulty: 1, usage: 2, unreachable: 3, notAuthenticated: 6 };
/** Keys that the place of a download pins: the copy beside a release has them. */
const PINNED = [];
/** Whether this copy verifies a release: then no file or folder passes as an audit log. */
const FOR_RELEASES = false;
const TILE = 256;
const HASH = 32;
const LARGEST_BUNDLE = TILE * (2 + 65_535);
const LARGEST_NOTE = 1_000_000;
/** Of one kind of fault this many are named, the rest counted. */
const NAMED = 20;

class UsageError extends Error {}
class UnreachableError extends Error {}
/** Bytes that are not what they claim to be. `code` is stable; `place` says where: a file, an index. */
class Fault extends Error {
  constructor(code, message, place = {}) {
    super(message);
    this.code = code;
    this.place = place;
  }
}

// ---------------------------------------------------------------- Merkle tree (RFC 6962 section 2.1)

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const LEAF_PREFIX = Buffer.from([0]);
const NODE_PREFIX = Buffer.from([1]);
const leafHash = (data) => sha256(LEAF_PREFIX, data);
const nodeHash = (left, right) => sha256(NODE_PREFIX, left, right);

/** Roots of the complete subtrees over these hashes, widest first. */
function completeSubtrees(hashes) {
  const roots = [];
  let at = 0;
  for (let width = 256; width >= 1; width /= 2) {
    if ((hashes.length & width) === 0) continue;
    let row = hashes.slice(at, at + width);
    at += width;
    while (row.length > 1) row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i], row[2 * i + 1]));
    roots.push(row[0]);
  }
  return roots;
}

/** The tree as it grows: at each level the hashes of the open tile, and above the leaves those of full tiles too. */
class Tree {
  constructor() {
    this.size = 0;
    this.levels = [];
    this.full = [];
  }

  with(hash) {
    this.size += 1;
    let carried = hash;
    for (let level = 0; ; level += 1) {
      this.levels[level] ??= { n: 0, hashes: [] };
      const open = this.levels[level];
      open.hashes.push(carried);
      if (open.hashes.length < TILE) return this;
      [carried] = completeSubtrees(open.hashes);
      if (level > 0) this.full.push({ level, n: open.n, hashes: open.hashes });
      open.n += 1;
      open.hashes = [];
    }
  }

  /** Every tile above the leaves. */
  tilesAbove() {
    const open = this.levels.map(({ n, hashes }, level) => ({ level, n, hashes }));
    return [...this.full, ...open.filter(({ level, hashes }) => level > 0 && hashes.length > 0)];
  }

  /** A copy that goes its own way from here. */
  forked() {
    const copy = new Tree();
    copy.size = this.size;
    copy.levels = this.levels.map(({ n, hashes }) => ({ n, hashes: [...hashes] }));
    copy.full = [...this.full];
    return copy;
  }

  /**
   * The tree that a log of `size` leaves had at `start` of them, a multiple of 256: hashes above the full tiles are read
   * and taken as they are. They are proved by the roots that the tree has later on.
   */
  static async at(source, start, size) {
    const tree = new Tree();
    tree.size = start;
    tree.levels = [{ n: start / TILE, hashes: [] }];
    for (let level = 1, count = start / TILE; count > 0; level += 1, count = Math.floor(count / TILE)) {
      const n = Math.floor(count / TILE);
      const width = Math.min(TILE, Math.floor(size / TILE ** level) - n * TILE);
      const read = count % TILE === 0 ? [] : (await readHashes(source, level, n, width)).hashes;
      tree.levels[level] = { n, hashes: read.slice(0, count % TILE) };
    }
    return tree;
  }

  root() {
    const roots = [...this.levels].reverse().flatMap(({ hashes }) => completeSubtrees(hashes));
    if (roots.length === 0) return sha256();
    return roots.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** RFC 9162 section 2.1.3.2: the root that this leaf and this path lead to, or null where the path does not fit. */
function rootOfInclusion(index, size, hash, path) {
  let [fn, sn, root] = [BigInt(index), BigInt(size) - 1n, hash];
  for (const sibling of path) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      root = nodeHash(sibling, root);
      while (!(fn & 1n) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else root = nodeHash(root, sibling);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n ? root : null;
}

// ---------------------------------------------------------------- signed notes and checkpoints (C2SP)

/** Base64 in its one canonical spelling, or null. */
function base64(text, bytes) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const value = Buffer.from(text, 'base64');
  if (value.toString('base64') !== text) return null;
  return bytes === undefined || value.length === bytes ? value : null;
}

const KINDS = { 1: 'ed25519', 4: 'cosignature' };
const isKeyName = (name) => name !== '' && !/[\s+\p{Cc}]/u.test(name);

/** `name+id+base64(type, public key)`. */
const KEY_TEXT = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/m;

function parseVkey(text) {
  const parts = KEY_TEXT.exec(text);
  const bytes = parts && base64(parts[3]);
  if (!parts || !bytes || bytes.length !== 1 + 32 || !(bytes[0] in KINDS) || !isKeyName(parts[1]))
    throw new Fault('key_malformed', `not a verifier key: ${printable(text)}`);
  const key = keyOf(parts[1], bytes);
  if (key.text !== text) throw new Fault('key_malformed', `the key's id is not that of its bytes: ${printable(text)}`);
  return key;
}

/** A key under a name. `bytes`: its type, then the public key. */
function keyOf(name, bytes) {
  const id = sha256(`${name}\n`, bytes).subarray(0, 4).toString('hex');
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)]);
  return {
    text: `${name}+${id}+${bytes.toString('base64')}`,
    name,
    id,
    bytes,
    kind: KINDS[bytes[0]],
    key: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
  };
}

const printable = (text) => JSON.stringify(String(text).slice(0, 120));

/** Text and signatures of a note; throws `note_malformed`. */
function parseNote(bytes, where) {
  const bad = (why) => new Fault('note_malformed', `${where} is no signed note: ${why}`, { file: where });
  const note = bytes.toString('utf8');
  if (Buffer.from(note, 'utf8').compare(bytes) !== 0) throw bad('not UTF-8');
  if (bytes.length > LARGEST_NOTE) throw bad('too long');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(note)) throw bad('control characters');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw bad('text and signatures are not apart');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > 100) throw bad('more than 100 signatures');
  const signatures = lines.map((line) => {
    const parts = /^\u2014 (\S+) (\S+)$/u.exec(line);
    const value = parts && base64(parts[2]);
    if (!parts || !value || value.length < 5 || !isKeyName(parts[1])) throw bad('a signature line is malformed');
    return { name: parts[1], id: value.subarray(0, 4).toString('hex'), bytes: value.subarray(4) };
  });
  return { note, text, signatures };
}

/** Origin, size and root of a checkpoint with its signatures; throws `note_malformed` or `checkpoint_malformed`. */
function parseCheckpoint(bytes, where) {
  const { note, text, signatures } = parseNote(bytes, where);
  const [origin, size, root, ...extensions] = text.slice(0, -1).split('\n');
  const rootBytes = base64(root ?? '', HASH);
  const isSize = /^(0|[1-9]\d{0,15})$/.test(size ?? '') && Number.isSafeInteger(Number(size));
  if (!origin || !isSize || !rootBytes || extensions.includes(''))
    throw new Fault('checkpoint_malformed', `${where} is a note, but no checkpoint`, { file: where });
  return { where, origin, size: Number(size), root: rootBytes, note, text, signatures };
}

/** The keys that signed; a signature under a known name and id that does not verify is a fault. */
function signersOf(checkpoint, keys) {
  const signers = [];
  for (const { name, id, bytes } of checkpoint.signatures) {
    const key = keys.find((known) => known.name === name && known.id === id);
    if (!key || signers.some((signer) => signer.key === key)) continue;
    const isCosignature = key.kind === 'cosignature';
    const time = isCosignature && bytes.length === 72 ? bytes.readBigUInt64BE(0) : null;
    const signed = isCosignature ? `cosignature/v1\ntime ${time}\n${checkpoint.text}` : checkpoint.text;
    const value = isCosignature ? bytes.subarray(8) : bytes;
    if (value.length !== 64 || !verifySignature(null, Buffer.from(signed), key.key, value))
      throw new Fault('signature_wrong', `${checkpoint.where}: the signature of ${name} does not verify`, {
        file: checkpoint.where,
      });
    signers.push({ key, time: time === null ? null : Number(time) });
  }
  return signers;
}

function assertSigned(checkpoint, { origin, keys, witnesses, quorum, maxAgeSeconds }) {
  const { where } = checkpoint;
  const expected = origin ?? keys[0]?.name;
  if (checkpoint.origin !== expected)
    throw new Fault(
      'origin_unexpected',
      `${where} is of the log ${printable(checkpoint.origin)}, not ${printable(expected)}`,
      { file: where },
    );
  if (signersOf(checkpoint, keys).length === 0)
    throw new Fault(
      'signature_missing',
      `${where} is not signed by the trusted key ${keys.map((key) => key.text).join(', ')}, nor by one that a trusted key named as its successor: ask the operator, not the log, for its key now, and give it with --vkey`,
      { file: where },
    );
  const oldest = maxAgeSeconds === undefined ? 0 : Date.now() / 1_000 - maxAgeSeconds;
  const fresh = signersOf(checkpoint, witnesses).filter(({ time }) => time === null || time >= oldest);
  if (fresh.length < quorum)
    throw new Fault('cosignatures_missing', `${where} has ${fresh.length} of ${quorum} cosignatures wanted`, {
      file: where,
    });
  return fresh.length;
}

// ---------------------------------------------------------------- keys that replaced others

/** A line that only a note of a key over its successor begins with. */
const rotationOf = (name) => `${name}/key-rotation`;

/** The notes of `key-rotations`: each has two parts, its text and its signatures, and a blank line is between all parts. */
function parseRotations(bytes, where) {
  const parts = (bytes?.toString('utf8') ?? '').split('\n\n').filter(Boolean);
  if (parts.length % 2 !== 0) throw new Fault('note_malformed', `${where} is no list of signed notes`, { file: where });
  return Array.from({ length: parts.length / 2 }, (_, at) => {
    const note = `${parts[2 * at]}\n\n${parts[2 * at + 1].replace(/\n?$/, '\n')}`;
    const { text, signatures } = parseNote(Buffer.from(note, 'utf8'), where);
    const [first, old, next, ...rest] = text.slice(0, -1).split('\n');
    const [from, to] = [parseVkey(old ?? ''), parseVkey(next ?? '')];
    const isRotation = first === rotationOf(from.name) && from.name === to.name && rest.length === 0;
    if (!isRotation || from.kind !== 'ed25519' || to.kind !== 'ed25519')
      throw new Fault('note_malformed', `${where}: a note does not name a key and its successor`, { file: where });
    return { where, text, signatures, from, to };
  });
}

/**
 * Trusted keys, and those that they led to: a note makes a key trusted if a key that is trusted already signed it. Notes
 * of other keys change nothing. @returns the keys reached, under the names of the keys that led to them
 */
function keysReached(trusted, rotations) {
  const reached = [...trusted];
  // Each key that is reached is visited in turn, so the order of the notes does not matter.
  for (const key of reached)
    for (const note of rotations) {
      if (!note.from.bytes.equals(key.bytes) || signersOf(note, [note.from]).length === 0) continue;
      const next = keyOf(key.name, note.to.bytes);
      if (!reached.some(({ text }) => text === next.text)) reached.push(next);
    }
  return reached.slice(trusted.length);
}

// ---------------------------------------------------------------- tiles (C2SP tlog-tiles)

/** 1234067 is x001/x234/067. */
function indexPath(n) {
  const groups = [String(n % 1_000).padStart(3, '0')];
  for (let rest = Math.floor(n / 1_000); rest > 0; rest = Math.floor(rest / 1_000))
    groups.unshift(`x${String(rest % 1_000).padStart(3, '0')}`);
  return groups.join('/');
}
const tilePath = (level, n, width) => `tile/${level}/${indexPath(n)}${width === TILE ? '' : `.p/${width}`}`;

/** The file, or a wider one that holds it: a log may drop partial tiles once the full one is there. */
async function readTile(source, level, n, width) {
  const path = tilePath(level, n, width);
  const exact = await source.read(path, LARGEST_BUNDLE);
  if (exact || width === TILE) return { path, bytes: exact, isExact: true };
  const full = tilePath(level, n, TILE);
  const bytes = await source.read(full, LARGEST_BUNDLE);
  return { path: bytes ? full : path, bytes, isExact: false };
}

/** The hashes of a tile; throws `tile_missing` or `tile_malformed`, naming the file. */
async function readHashes(source, level, n, width) {
  const { path, bytes, isExact } = await readTile(source, level, n, width);
  if (!bytes) throw new Fault('tile_missing', `${path} is missing`, { file: path });
  const expected = (isExact ? width : TILE) * HASH;
  if (bytes.length !== expected)
    throw new Fault('tile_malformed', `${path} has ${bytes.length} bytes, not ${expected}`, { file: path });
  return { path, hashes: Array.from({ length: width }, (_, i) => bytes.subarray(i * HASH, (i + 1) * HASH)) };
}

/** The entries of a bundle, or null where it is not there; throws `bundle_malformed`, naming the file. */
async function readEntries(source, n, width) {
  const { path, bytes, isExact } = await readTile(source, 'entries', n, width);
  if (!bytes) return { path, entries: null };
  const bad = (why) => new Fault('bundle_malformed', `${path} ${why}`, { file: path });
  const entries = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) throw bad('ends inside an entry');
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) throw bad('ends inside an entry');
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length > TILE) throw bad(`has ${entries.length} entries`);
  return { path, entries: isExact ? entries : entries.slice(0, width) };
}

// ---------------------------------------------------------------- events

/** RFC 8785: members in the order of their UTF-16 code units, no space, numbers and strings as ECMAScript writes them. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

/** An entry as an event; throws `leaf_malformed`. */
function parseEvent(bytes, index) {
  const bad = (why) => new Fault('leaf_malformed', `entry ${index} is no event: ${why}`, { index });
  let event;
  try {
    event = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw bad('not JSON');
  }
  if (event === null || typeof event !== 'object' || !Number.isSafeInteger(event.seq)) throw bad('no seq');
  if (event.v !== 1) throw bad(`of version ${printable(event.v)}, which this verifier does not know`);
  if (Buffer.from(canonical(event), 'utf8').compare(bytes) !== 0) throw bad('not in canonical form (RFC 8785)');
  return event;
}

const COMMITMENT_DOMAIN = 'sallyport/audit/personal/v1';

/** What a leaf holds in place of a personal value. */
const commitmentOf = (field, salt, value) =>
  sha256(`${COMMITMENT_DOMAIN}\0${field}\0`, salt, Buffer.from(value, 'utf8'));

/** Disclosed personal values, by event; throws `disclosure_malformed`. */
async function readDisclosures(source) {
  const bytes = await source.read('personal.jsonl', Number.MAX_SAFE_INTEGER);
  const byEvent = new Map();
  for (const line of (bytes?.toString('utf8') ?? '').split('\n').filter(Boolean)) {
    let disclosed;
    try {
      disclosed = JSON.parse(line);
    } catch {}
    const { event_id: id, field, salt, value } = disclosed ?? {};
    const saltBytes = typeof salt === 'string' ? base64(salt, HASH) : null;
    if ([id, field, value].some((text) => typeof text !== 'string') || !saltBytes)
      throw new Fault('disclosure_malformed', `personal.jsonl: ${printable(line)}`, { file: 'personal.jsonl' });
    byEvent.set(id, [...(byEvent.get(id) ?? []), { field, salt: saltBytes, value }]);
  }
  return byEvent;
}

// ---------------------------------------------------------------- where a log is read from

/** Reads files by their path below the log; null where there is none. */
const folderSource = (folder) => ({
  label: folder,
  isLive: false,
  read: async (path) => {
    try {
      return readFileSync(join(folder, path));
    } catch (err) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(err.code)) return null;
      throw new UnreachableError(`${join(folder, path)}: ${err.code}`);
    }
  },
  list: async (path) => {
    try {
      return readdirSync(join(folder, path)).sort();
    } catch {
      return [];
    }
  },
});

const tarText = (header, from, length) => header.toString('utf8', from, from + length).replace(/\0.*$/s, '');

/** A POSIX tar: an index of its names, read in place. */
function tarSource(file) {
  const handle = openSync(file, 'r');
  const { size } = statSync(file);
  const files = new Map();
  const readAt = (offset, length) => {
    const bytes = Buffer.alloc(length);
    const got = readSync(handle, bytes, 0, length, offset);
    if (got !== length) throw new Fault('archive_malformed', `${file} ends inside a file`, { file });
    return bytes;
  };
  let longName = null;
  for (let at = 0; at + 512 <= size; ) {
    const header = readAt(at, 512);
    if (header[0] === 0) break;
    const length = Number.parseInt(tarText(header, 124, 12).trim(), 8);
    const type = String.fromCharCode(header[156] || 48);
    if (tarText(header, 257, 5) !== 'ustar' || !Number.isSafeInteger(length))
      throw new Fault(
        'archive_malformed',
        `${file} is no tar (a compressed one must be unpacked first), and has no ${file}.tlog-proof beside it`,
        { file },
      );
    const prefix = header[262] === 0 ? tarText(header, 345, 155) : '';
    const name = longName ?? (prefix === '' ? '' : `${prefix}/`) + tarText(header, 0, 100);
    longName = null;
    if (type === 'L') longName = tarText(readAt(at + 512, length), 0, length);
    else if (type === 'x') longName = /^\d+ path=(.*)$/m.exec(readAt(at + 512, length).toString('utf8'))?.[1] ?? null;
    else if (type === '0') files.set(name.replace(/^\.\//, ''), { offset: at + 512, length });
    at += 512 + Math.ceil(length / 512) * 512;
  }
  const names = [...files.keys()];
  const top =
    names
      .map((name) => /^(|.*\/)checkpoint$/.exec(name))
      .filter(Boolean)
      .sort((a, b) => a[1].length - b[1].length)[0]?.[1] ?? '';
  return {
    label: file,
    isLive: false,
    read: async (path) => {
      const found = files.get(top + path);
      return found ? readAt(found.offset, found.length) : null;
    },
    list: async (path) => {
      const below = names.filter((name) => name.startsWith(`${top}${path}/`));
      return [...new Set(below.map((name) => name.slice(top.length + path.length + 1).split('/')[0]))].sort();
    },
  };
}

const REQUEST_TIMEOUT_MS = 30_000;

/** A running log. An answer is believed as little as a file. */
function addressSource(address) {
  const prefix = address.replace(/\/+$/, '');
  const get = async (path) => {
    for (let attempt = 1; ; attempt += 1) {
      let why;
      try {
        const answer = await fetch(`${prefix}/${path}`, {
          redirect: 'error',
          signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        });
        if (answer.status < 500 && answer.status !== 429) return answer;
        why = `status ${answer.status}`;
        await answer.body?.cancel();
      } catch (err) {
        why = err.cause?.code ?? err.name;
      }
      if (attempt === 3) throw new UnreachableError(`${prefix}/${path}: ${why}`);
      await new Promise((done) => setTimeout(done, attempt * 500));
    }
  };
  return {
    label: prefix,
    isLive: true,
    read: async (path, longest) => {
      const answer = await get(path);
      if (answer.status === 404) return null;
      if (!answer.ok) throw new UnreachableError(`${prefix}/${path}: status ${answer.status}`);
      const parts = [];
      let length = 0;
      for await (const part of answer.body) {
        length += part.length;
        if (length > longest)
          throw new Fault('answer_too_long', `${prefix}/${path} is longer than ${longest} bytes`, { file: path });
        parts.push(part);
      }
      return Buffer.concat(parts);
    },
    // Earlier logs of the installation; an address without any has no such list.
    list: async (path) => {
      if (path !== 'origins') return [];
      const answer = await get(path);
      const listed = answer.ok ? await answer.json().catch(() => ({})) : {};
      return (listed.origins ?? []).filter(({ closed_at: closedAt }) => closedAt).map(({ number }) => String(number));
    },
  };
}

const below = (source, folder) => ({
  ...source,
  label: `${source.label}/${folder}`,
  read: (path, longest) => source.read(`${folder}/${path}`, longest),
  list: (path) => source.list(`${folder}/${path}`),
});

function openSource(text) {
  if (isAddress(text)) return addressSource(text);
  const stat = statSync(text, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`${text} is not there`);
  return stat.isDirectory() ? folderSource(text) : tarSource(text);
}

// ---------------------------------------------------------------- what was last seen

function readMemory({ vkeys, checkpoint }, file) {
  const keys = vkeys.map(parseVkey);
  const seen = parseCheckpoint(Buffer.from(checkpoint, 'utf8'), file);
  if (signersOf(seen, keys).length === 0) throw new Error('not signed by its own key');
  return { keys, seen };
}

/** What is remembered of one log: that of the newest, or of one before it. */
const memoryOf = (state, origin) => remembered(state).find(({ seen }) => seen.origin === origin);

/** The newest log first. */
const remembered = (state) => (state ? [state, ...state.earlier] : []);

function readState(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (err) {
    if (err.code === 'ENOENT') return null;
    throw new UnreachableError(`${file}: ${err.code}`);
  }
  try {
    const { earlier = [], authenticated = false, ...newest } = JSON.parse(text);
    return {
      ...readMemory(newest, file),
      earlier: earlier.map((one) => readMemory(one, file)),
      // Before this member was written, a key was trusted on first use, or because an entry named it.
      isAuthenticated: authenticated === true,
    };
  } catch (err) {
    throw new UsageError(
      `${file} is not a state of this verifier (${err.message}); put it back, or remove it to trust anew`,
    );
  }
}

/** @throws UsageError where it cannot be kept: the next run would trust anew without a word. */
function keep(file, text, options = '--state, or say --no-state') {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (err) {
    throw new UsageError(`${file} cannot be written (${err.code}); name another with ${options}`);
  }
}

/** The newest log first. What was remembered of a log that was not verified this time stays. */
function writeState(file, [newest, ...earlier], state) {
  const entryOf = ({ keys, seen }) => ({ vkeys: keys.map((key) => key.text), checkpoint: seen.note });
  const verified = [newest, ...earlier];
  const others = remembered(state).filter((one) => !verified.some(({ seen }) => seen.origin === one.seen.origin));
  const next = {
    ...entryOf(newest),
    authenticated: true,
    seen_at: new Date().toISOString(),
    earlier: [...earlier, ...others].map(entryOf),
  };
  keep(file, `${JSON.stringify(next, null, 2)}\n`);
}

/** Two statements of one log that cannot both be true are the proof against it: kept beside the state. */
function keepEvidence(file, faults) {
  for (const fault of faults.filter(({ checkpoints }) => checkpoints)) {
    const id = sha256(...fault.checkpoints)
      .toString('hex')
      .slice(0, 8);
    fault.kept = `${file}.${fault.code}.${id}.json`;
    keep(fault.kept, `${JSON.stringify({ code: fault.code, checkpoints: fault.checkpoints }, null, 2)}\n`);
  }
}

const stateHome = () => process.env.XDG_STATE_HOME || join(homedir(), '.local/state');
const defaultState = (address) =>
  join(
    stateHome(),
    'sallyport/audit-log',
    `${address.replace(/^https?:\/\//, '').replaceAll(/[^A-Za-z0-9.-]+/g, '_')}.json`,
  );

// ---------------------------------------------------------------- the whole log

const READ_AHEAD = 8;

/** What a read gives: its value, or the fault that it is; anything else is thrown. */
const tried = (reading) =>
  reading.then(
    (value) => ({ value }),
    (err) => ({ err }),
  );

/** Hash tiles of level 0 with their entries, in order, a few read ahead. */
async function* readLeaves(source, start, size) {
  const count = Math.ceil(size / TILE);
  const under = new Map();
  for (let n = start / TILE; n < count; n += 1) {
    for (let ahead = n; ahead < Math.min(count, n + READ_AHEAD); ahead += 1) {
      const width = Math.min(TILE, size - ahead * TILE);
      if (!under.has(ahead))
        under.set(ahead, {
          width,
          hashes: tried(readHashes(source, 0, ahead, width)),
          entries: tried(readEntries(source, ahead, width)),
        });
    }
    const { width, hashes, entries } = under.get(n);
    under.delete(n);
    yield { n, width, hashes: await hashes, entries: await entries };
  }
}

/** The faults of a log, each kind named a bounded number of times and counted beyond. */
class Findings {
  constructor() {
    this.faults = [];
    this.counts = {};
  }

  add(code, message, place = {}) {
    this.counts[code] = (this.counts[code] ?? 0) + 1;
    if (this.counts[code] <= NAMED) this.faults.push({ code, message, ...place });
  }

  /** Takes a Fault in; throws everything else on. */
  take(err) {
    if (!(err instanceof Fault)) throw err;
    this.add(err.code, err.message, err.place);
  }

  get isEmpty() {
    return this.faults.length === 0;
  }
}

/** More differing places than this are not told apart. */
const COMPARED = 100_000;

/**
 * Reads every leaf from the start of a tree on, once. Two trees grow: one from the entries, one from the tiles; they are one until a place differs.
 * @returns the trees (none once a leaf was unknown), roots at the sizes asked for, places that differ, counts
 */
async function readTree(source, start, size, sizes, findings, onEntry) {
  const read = {
    entries: start,
    tiles: null,
    roots: new Map(),
    differing: [],
    entryCount: 0,
    leftOut: 0,
    tileCount: 0,
  };
  const wanted = new Set(sizes);
  const from = start.size;
  if (wanted.has(from)) read.roots.set(from, rootsOf(read));
  for await (const { n, width, hashes, entries } of readLeaves(source, from, size)) {
    for (const { err } of [hashes, entries]) if (err) findings.take(err);
    if (hashes.value) read.tileCount += 1;
    const bundle = entries.value?.entries;
    if (bundle && bundle.length > width)
      findings.add('bundle_malformed', `${entries.value.path} has ${bundle.length} entries, not ${width}`, {
        file: entries.value.path,
      });
    // Left out of the export: its tile stands for it. Missing from a bundle, or with a broken one: nothing does.
    const isLeftOut = !bundle && !entries.err;
    if (isLeftOut) read.leftOut += width;
    for (let i = 0; i < width; i += 1) {
      const index = n * TILE + i;
      const entry = bundle?.[i];
      const tileHash = hashes.value?.hashes[i] ?? null;
      const entryHash = entry ? leafHash(entry) : isLeftOut ? tileHash : null;
      if (entry) {
        read.entryCount += 1;
        onEntry(index, entry);
      }
      grow(read, { index, entryHash, tileHash, isKnown: !entries.err });
      if (!read.entries && !read.tiles) return read;
      if (wanted.has(index + 1)) read.roots.set(index + 1, rootsOf(read));
    }
  }
  return read;
}

/** One leaf more in both trees, as far as each knows it. */
function grow(read, { index, entryHash, tileHash, isKnown }) {
  const isSame = entryHash !== null && tileHash !== null && entryHash.compare(tileHash) === 0;
  if (!isSame && tileHash !== null && isKnown && read.differing.length < COMPARED)
    read.differing.push({ index, entry: entryHash?.toString('hex') ?? null, tile: tileHash.toString('hex') });
  if (!isSame && read.entries && read.tiles === null) read.tiles = read.entries.forked();
  if (read.tiles) read.tiles = tileHash !== null && read.tiles.with(tileHash);
  if (read.entries) read.entries = entryHash === null ? null : read.entries.with(entryHash);
}

/** Roots of both trees; `tiles` null means that nothing differed so far. */
function rootsOf({ entries, tiles }) {
  const own = entries ? entries.root() : null;
  return { entries: own, tiles: tiles ? tiles.root() : tiles === null ? own : null };
}

async function compareTile(source, { level, n, hashes }, findings) {
  try {
    const { path, hashes: published } = await readHashes(source, level, n, hashes.length);
    const at = hashes.findIndex((hash, i) => hash.compare(published[i]) !== 0);
    if (at >= 0)
      findings.add('tile_wrong', `${path} is not what the tiles below it give, from its hash ${at} on`, { file: path });
    return 1;
  } catch (err) {
    findings.take(err);
    return 0;
  }
}

/** Says of each place where entry and tile differ what happened to the entry, given that the tiles are the signed ones. */
function nameEntries(differing, findings) {
  const byTile = new Map(differing.map((place) => [place.tile, place]));
  const byEntry = new Map(differing.map((place) => [place.entry, place]));
  for (let at = 0; at < differing.length; at += 1) {
    const place = differing[at];
    const { index } = place;
    const from = byTile.get(place.entry);
    const follows = (step) =>
      differing[at + 1]?.index === differing[at].index + 1 && step(differing[at], differing[at + 1]);
    const movedUp = (one, next) => one.entry === next.tile;
    const movedDown = (one, next) => next.entry === one.tile;
    if (from && byEntry.get(place.tile) === from) {
      const other = from.index;
      if (other > index) findings.add('entries_swapped', `entries ${index} and ${other} are swapped`, { index, other });
    } else if (follows(movedUp)) {
      // One fault, not one for each that moved.
      findings.add('entry_missing', `entry ${index} is missing: those behind it moved up`, { index });
      while (follows(movedUp)) at += 1;
    } else if (follows(movedDown)) {
      findings.add('entry_added', `entry ${index} is none of the log: those behind it moved down`, { index });
      while (follows(movedDown)) at += 1;
    } else if (place.entry === null) findings.add('entry_missing', `entry ${index} is missing`, { index });
    else if (from)
      findings.add('entry_moved', `entry ${index} holds what belongs at ${from.index}`, { index, other: from.index });
    else findings.add('entry_changed', `entry ${index} is not what was sealed`, { index });
  }
}

const sameRoot = (one, other) => one !== null && one !== undefined && one.compare(other) === 0;

/** The tree against the checkpoint that signs it: which side is damaged, and where. */
async function judgeTree(source, read, checkpoint, earlier, findings) {
  if (!read.entries && !read.tiles) return;
  const { entries, tiles } = rootsOf(read);
  const wrongTiles = [...new Set(read.differing.map(({ index }) => Math.floor(index / TILE)))];
  if (sameRoot(entries, checkpoint.root)) {
    for (const n of wrongTiles) {
      const path = tilePath(0, n, Math.min(TILE, checkpoint.size - n * TILE));
      findings.add('tile_wrong', `${path} is not what its entries give`, { file: path });
    }
  } else if (sameRoot(tiles, checkpoint.root)) nameEntries(read.differing, findings);
  else {
    nameEntries(read.differing, findings);
    const good = earlier.filter(({ size, root }) => size > 0 && sameRoot(read.roots.get(size)?.tiles, root)).at(-1);
    const bad = [...earlier, checkpoint].find(
      ({ size, root }) => !sameRoot(read.roots.get(size)?.tiles ?? (size === checkpoint.size ? tiles : null), root),
    );
    const [from, to] = [good?.size ?? 0, (bad ?? checkpoint).size];
    findings.add(
      'root_mismatch',
      `the tree does not have the root that ${checkpoint.where} signs: something in entries ${from} to ${to - 1} was changed, added or removed, and the tiles made to fit`,
      { file: checkpoint.where, from, to: to - 1 },
    );
  }
  const tree =
    read.entries && (read.tiles === null || sameRoot(entries, checkpoint.root))
      ? read.entries
      : read.tiles || read.entries;
  for (const tile of tree.tilesAbove()) read.tileCount += await compareTile(source, tile, findings);
}

/** The newest checkpoint, signed by a trusted key, and the others beside it, whose signatures are verified later. */
async function readCheckpoints(source, trust, findings) {
  const take = async (path) => {
    const bytes = await source.read(path, LARGEST_NOTE);
    return bytes && parseCheckpoint(bytes, path);
  };
  const newest = await take('checkpoint');
  if (!newest) throw new Fault('checkpoint_missing', 'there is no checkpoint', { file: 'checkpoint' });
  newest.cosignatures = assertSigned(newest, trust);
  const others = [];
  for (const name of await source.list('checkpoints')) {
    const read = await tried(take(`checkpoints/${name}`));
    if (read.err) findings.take(read.err);
    else if (read.value) others.push(read.value);
  }
  return { newest, others: others.sort((a, b) => a.size - b.size) };
}

/**
 * Checkpoints of the log that a trusted key signed; throws nothing, names what is wrong with the rest. One that no
 * trusted key signed says nothing, for or against the log: a key that was replaced before the trusted one signed it.
 */
const signedOnes = (checkpoints, origin, keys, findings) =>
  checkpoints.filter((checkpoint) => {
    try {
      assertSigned(checkpoint, { origin, keys, witnesses: [], quorum: 0 });
      return true;
    } catch (err) {
      if (err.code !== 'signature_missing') findings.take(err);
      return false;
    }
  });

/** What signed checkpoints say against each other. */
function compareCheckpoints(newest, others, findings) {
  for (const [at, checkpoint] of others.entries()) {
    const other = checkpoint.size === newest.size ? newest : others[at - 1];
    if (other?.size === checkpoint.size && !sameRoot(other.root, checkpoint.root))
      contradict('log_forked', other, checkpoint, findings);
  }
  const largest = others.at(-1);
  if (largest && largest.size > newest.size)
    findings.add('log_shorter', `the log was signed with ${largest.size} entries and shows ${newest.size}`, {
      checkpoints: [largest.note, newest.note],
    });
}

function contradict(code, one, other, findings) {
  const said =
    code === 'log_forked'
      ? `two roots are signed for ${one.size} entries`
      : `what was signed for ${one.size} entries is no beginning of the ${other.size} shown`;
  findings.add(code, `${said} (${one.where}, ${other.where}): keep both, they prove it`, {
    checkpoints: [one.note, other.note],
  });
}

/** The log against what was last seen of it. */
function compareWithSeen(seen, newest, findings) {
  if (seen.size > newest.size)
    findings.add(
      'log_shorter',
      `${seen.size} entries were seen, and there are ${newest.size}: entries were taken away, or an old state was put back`,
      { checkpoints: [seen.note, newest.note] },
    );
  else if (seen.size === newest.size && !sameRoot(seen.root, newest.root))
    contradict('log_forked', seen, newest, findings);
}

/** The trusted keys, with those that notes reach from them; without any, the keys that came with the log. */
async function trustOf(source, { vkeys, reached }) {
  if (reached.err) throw reached.err;
  if (vkeys.length > 0) return { keys: [...vkeys, ...reached.value], reached: reached.value, trust: null };
  const bytes = await source.read('vkey', 10_000);
  const offered = (bytes?.toString('utf8') ?? '').split('\n').filter(Boolean).map(parseVkey);
  if (offered.length === 0)
    throw new Fault('key_missing', 'there is no vkey beside the log: give --vkey', { file: 'vkey' });
  return { keys: offered, reached: [], trust: 'none' };
}

/** Reads entries as events: each in its place, and every disclosed value against its commitment. */
function eventReader(disclosures, findings) {
  const seen = { first: null, continuation: undefined, disclosed: 0, misplaced: 0 };
  return {
    seen,
    onEntry(index, bytes) {
      let event;
      try {
        event = parseEvent(bytes, index);
      } catch (err) {
        return findings.take(err);
      }
      seen.first ??= event.seq - index;
      if (index === 0) seen.continuation = event.type === 'audit.log_continued' ? event.detail : null;
      if (event.seq !== seen.first + index && seen.misplaced++ === 0)
        findings.add(
          'entry_misplaced',
          `entry ${index} says that it is event ${event.seq}, not ${seen.first + index}`,
          { index, seq: event.seq },
        );
      for (const { field, salt, value } of disclosures.get(event.event_id) ?? []) {
        const committed = event.personal?.[field];
        if (committed === commitmentOf(field, salt, value).toString('base64')) seen.disclosed += 1;
        else
          findings.add('disclosure_wrong', `the disclosed ${field} of entry ${index} is not what was committed to`, {
            index,
            field,
          });
      }
      disclosures.delete(event.event_id);
    },
  };
}

async function verifyLog(source, options) {
  const findings = new Findings();
  const result = {
    log: source.label,
    origin: null,
    first_seq: null,
    size: null,
    root: null,
    key: null,
    seen: null,
    checked: null,
    faults: findings.faults,
  };
  try {
    const { keys, reached, trust } = await trustOf(source, options);
    result.key = { vkeys: options.vkeys.map((key) => key.text), trust: trust ?? options.trust };
    const { newest, others } = await readCheckpoints(source, { ...options, keys }, findings);
    const state = memoryOf(options.state, newest.origin);
    Object.assign(result, { origin: newest.origin, size: newest.size, root: newest.root.toString('base64') });
    if (state) {
      result.seen = { size: state.seen.size };
      compareWithSeen(state.seen, newest, findings);
    }
    const since = options.since ? readSince(options.since, newest, keys, findings) : null;
    // From before whatever is to be shown a beginning of the log.
    const known = [since, state?.seen].filter((one) => one && one.size <= newest.size);
    const start = known.includes(since) ? Math.min(...known.map(({ size }) => size - (size % TILE))) : 0;
    if (since) result.since = { size: since.size };
    const before = [...others, ...known]
      .filter(({ size }) => size < newest.size && size >= start)
      .sort((a, b) => a.size - b.size);
    const events = eventReader(options.isRaw ? new Map() : await readDisclosures(source), findings);
    const sizes = before.map(({ size }) => size);
    const tree = await Tree.at(source, start, newest.size);
    const read = await readTree(source, tree, newest.size, sizes, findings, options.isRaw ? () => {} : events.onEntry);
    await judgeTree(source, read, newest, before, findings);
    const isWhole = isRootAt({ roots: new Map([[newest.size, rootsOf(read)]]) }, newest);
    const signed = signedOnes(others, newest.origin, keys, findings);
    compareCheckpoints(newest, signed, findings);
    for (const one of isWhole ? before : [])
      if ((known.includes(one) || signed.includes(one)) && !isRootAt(read, one))
        contradict('log_inconsistent', one, newest, findings);
    const compared = signed.filter((one) => one.size >= newest.size || (isWhole && before.includes(one)));
    result.not_compared = others
      .filter((one) => !compared.includes(one))
      .map(({ where, size }) => ({ file: where, size }));
    if (options.isComplete && read.leftOut > 0)
      findings.add('entries_left_out', `${read.leftOut} entries are not in this export`);
    const signers = signersOf(newest, keys).map(({ key }) => key);
    result.first_seq = events.seen.first;
    result.continuation = events.seen.continuation;
    result.key.reached = signers.filter((key) => reached.includes(key)).map((key) => key.text);
    result.checked = {
      entries: read.entryCount,
      left_out: read.leftOut,
      tiles: read.tileCount,
      checkpoints: 1 + compared.length,
      cosignatures: newest.cosignatures,
      disclosures: events.seen.disclosed,
    };
    if (findings.isEmpty && trust === null) result.memory = { keys: signers, seen: newest };
    if (options.save && findings.isEmpty && trust === null) {
      keep(options.save, newest.note, '--save');
      result.saved = options.save;
    }
  } catch (err) {
    findings.take(err);
  }
  return { ...result, more: moreOf(findings) };
}

const isRootAt = (read, { size, root }) => {
  const at = read.roots.get(size);
  return sameRoot(at?.tiles, root) || sameRoot(at?.entries, root);
};

/** The checkpoint that was verified before: signed by a trusted key, and not beyond the newest. */
function readSince(file, newest, keys, findings) {
  const bytes = readGiven(file);
  const isProof = bytes.subarray(0, PROOF.length).equals(Buffer.from(PROOF));
  const since = isProof ? parseProof(bytes, file).checkpoint : parseCheckpoint(bytes, file);
  assertSigned(since, { origin: newest.origin, keys, witnesses: [], quorum: 0 });
  compareWithSeen(since, newest, findings);
  return since;
}

function readGiven(file) {
  try {
    return readFileSync(file);
  } catch (err) {
    throw new UsageError(`${file} cannot be read (${err.code})`);
  }
}

/** How many faults of each kind were found beyond those named. */
const moreOf = ({ counts }) =>
  Object.fromEntries(Object.entries(counts).flatMap(([code, count]) => (count > NAMED ? [[code, count - NAMED]] : [])));

// ---------------------------------------------------------------- one entry and its proof

const PROOF = 'c2sp.org/tlog-proof@v1';

function parseProof(bytes, where) {
  const bad = (why) => new Fault('proof_malformed', `${where} is no .tlog-proof: ${why}`, { file: where });
  const text = bytes.toString('utf8');
  const split = text.indexOf('\n\n');
  if (split < 0) throw bad('no blank line before the checkpoint');
  const [header, ...lines] = text.slice(0, split).split('\n');
  if (header !== PROOF) throw bad('another first line');
  const extra = lines[0]?.startsWith('extra ') ? base64(lines.shift().slice('extra '.length)) : undefined;
  if (extra === null) throw bad('extra data is not base64');
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
  const path = lines.map((line) => base64(line, HASH));
  if (index === undefined || path.includes(null) || path.length > 63) throw bad('index or hashes');
  const checkpoint = parseCheckpoint(Buffer.from(text.slice(split + 2), 'utf8'), where);
  return { index: Number(index), path, extra, checkpoint };
}

/** What is known of `log`, a file with a proof, before the proof is read. */
function provedBy(log, { vkeys }, { faults }) {
  const key = { vkeys: vkeys.map(({ text }) => text), trust: vkeys.length > 0 ? 'pinned' : 'none' };
  return { log, origin: null, index: null, size: null, key, faults };
}

function verifyProof(options) {
  const findings = new Findings();
  const result = provedBy(options.proof, options, findings);
  try {
    const rotations = options.rotations ? parseRotations(readGiven(options.rotations), options.rotations) : [];
    const { index, path, checkpoint } = parseProof(readFileSync(options.proof), options.proof);
    Object.assign(result, { origin: checkpoint.origin, index, size: checkpoint.size });
    assertSigned(checkpoint, { ...options, keys: [...options.vkeys, ...keysReached(options.vkeys, rotations)] });
    const leaf = readFileSync(options.leaf);
    const root = index < checkpoint.size ? rootOfInclusion(index, checkpoint.size, leafHash(leaf), path) : null;
    if (!root || !sameRoot(root, checkpoint.root))
      findings.add('proof_wrong', `${options.leaf} is not entry ${index} of the log that the checkpoint signs`, {
        index,
      });
    else if (!options.isRaw) result.event = parseEvent(leaf, index);
  } catch (err) {
    if (err.code === 'ENOENT') throw new UsageError(`${err.path} is not there`);
    findings.take(err);
  }
  return { ...result, more: {} };
}

// ---------------------------------------------------------------- files of a release

const isAddress = (source) => /^https?:\/\//.test(source);

/** The files that SOURCE names, if it is of a release: one with its proof beside it, or SHA256SUMS and those in it. */
function releasedFiles({ source, since }) {
  if (isAddress(source)) return [];
  const sums = join(source, 'SHA256SUMS');
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory();
  if (!existsSync(isFolder ? sums : `${source}.tlog-proof`) && (!FOR_RELEASES || (isFolder && since))) return [];
  if (since) throw new UsageError('--since compares a log: give its address or a folder of it');
  const listed = isFolder && existsSync(sums) ? readFileSync(sums, 'utf8') : '';
  const names = [...listed.matchAll(/^([0-9a-f]{64}) {2}([\w.-]+)$/gm)];
  return [{ file: isFolder ? sums : source }, ...names.map(([, sum, name]) => ({ file: join(source, name), sum }))];
}

function digestOf(path) {
  const handle = openSync(path, 'r');
  const hash = createHash('sha256');
  const part = Buffer.alloc(2 ** 20);
  let size = 0;
  for (let got = readSync(handle, part); got > 0; got = readSync(handle, part)) {
    hash.update(part.subarray(0, got));
    size += got;
  }
  return { size, sha256: hash.digest('hex') };
}

/** @throws Fault where the file is not the one that the event published */
function compareFile({ file, sum }, { type, target, detail }) {
  if (type !== 'release.artifact_published' || target.id !== basename(file))
    throw new Fault('name_wrong', `${file}.tlog-proof proves ${printable(target?.id)}, not ${basename(file)}`);
  const { size, sha256: digest } = digestOf(file);
  if (size < detail.size) throw new Fault('file_cut', `${file} has ${size} of ${detail.size} bytes: fetch it again`);
  const other = [detail.sha256, sum ?? digest].find((each) => each !== digest);
  if (other)
    throw new Fault('file_changed', `${file} is not what was published: its SHA-256 is ${digest}, not ${other}`);
}

/** The proof leads from the event in it to a head that a trusted key signed, and the file is what the event says. */
function verifyReleased({ file, sum }, options) {
  const findings = new Findings();
  const result = provedBy(file, options, findings);
  try {
    const { index, path, extra, checkpoint } = parseProof(readFileSync(`${file}.tlog-proof`), `${file}.tlog-proof`);
    Object.assign(result, { origin: checkpoint.origin, index, size: checkpoint.size });
    if (options.vkeys.length > 0) assertSigned(checkpoint, { ...options, keys: options.vkeys });
    const root = extra && index < checkpoint.size && rootOfInclusion(index, checkpoint.size, leafHash(extra), path);
    if (!root || !sameRoot(root, checkpoint.root))
      throw new Fault('proof_wrong', `${file}.tlog-proof: its event is not entry ${index} of the log`, { index });
    result.released = parseEvent(extra, index).detail;
    compareFile({ file, sum }, parseEvent(extra, index));
  } catch (err) {
    findings.take(err.code === 'ENOENT' ? new Fault('file_missing', `${err.path} is not there`) : err);
  }
  return { ...result, more: {} };
}

// ---------------------------------------------------------------- command line

const keysIn = (text) => text.split('\n').filter(Boolean).map(parseVkey);

/** A value that is a key is no file: one of its name, in the folder of a download, could hold another key. */
const keysOf = (values = []) =>
  values.flatMap((value) => {
    try {
      const isFile = !KEY_TEXT.test(value) && statSync(value, { throwIfNoEntry: false })?.isFile();
      return keysIn(isFile ? readFileSync(value, 'utf8') : value);
    } catch (err) {
      throw new UsageError(err.message);
    }
  });

function wholeNumber(text, name) {
  if (text === undefined) return undefined;
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${name} takes a whole number`);
  return Number(text);
}

function readOptions(args) {
  let parsed;
  const [text, many, flag] = [{ type: 'string' }, { type: 'string', multiple: true }, { type: 'boolean' }];
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...{ vkey: many, witness: many, origin: text, state: text, save: text, since: text, quorum: text },
        ...{ 'max-age': text, proof: text, leaf: text, rotations: text, 'no-state': flag, complete: flag, raw: flag },
        ...{ json: flag, quiet: { ...flag, short: 'q' }, help: { ...flag, short: 'h' } },
      },
    });
  } catch (err) {
    throw new UsageError(err.message);
  }
  const { values, positionals } = parsed;
  const witnesses = keysOf(values.witness);
  const options = {
    ...values,
    source: positionals[0],
    vkeys: keysOf(values.vkey ?? PINNED),
    witnesses,
    quorum: wholeNumber(values.quorum, '--quorum') ?? witnesses.length,
    maxAgeSeconds: wholeNumber(values['max-age'], '--max-age'),
    isRaw: values.raw ?? false,
    // Entries that were left out are not verified, and a later run would not read them either.
    isComplete: values.complete || values.save !== undefined,
  };
  if (values.help) return options;
  if (witnesses.some(({ kind }) => kind !== 'cosignature') || options.vkeys.some(({ kind }) => kind !== 'ed25519'))
    throw new UsageError('--vkey takes keys of logs (type 01), --witness those of witnesses (type 04)');
  if (options.quorum > witnesses.length) throw new UsageError('--quorum is more than the witnesses named');
  if (values.proof !== undefined) {
    if (values.leaf === undefined || options.vkeys.length === 0 || positionals.length > 0)
      throw new UsageError('--proof needs --leaf and --vkey, and no SOURCE');
  } else if (positionals.length !== 1) throw new UsageError('one SOURCE is needed');
  return options;
}

const readReached = async (source, vkeys) =>
  keysReached(vkeys, parseRotations(await source.read('key-rotations', LARGEST_NOTE), 'key-rotations'));

async function run(options) {
  if (options.proof !== undefined) return [verifyProof(options)];
  const released = releasedFiles(options);
  if (released.length > 0) return released.map((each) => verifyReleased(each, options));
  const source = openSource(options.source);
  const isStateless = options['no-state'] ?? false;
  const stateFile = isStateless
    ? undefined
    : (options.state ?? (source.isLive ? defaultState(source.label) : undefined));
  const state = stateFile === undefined ? null : readState(stateFile);
  const isPinned = options.vkeys.length > 0;
  const remembers = !isPinned && state?.isAuthenticated;
  const vkeys = remembers ? remembered(state).flatMap(({ keys }) => keys) : options.vkeys;
  const own = {
    ...options,
    state,
    vkeys,
    reached: await tried(readReached(source, vkeys)),
    trust: isPinned ? 'pinned' : 'seen before',
  };
  const logs = [await verifyLog(source, own)];
  // Logs that this one continues.
  for (const name of (await source.list('origins')).sort((a, b) => Number(a) - Number(b)))
    logs.push(await verifyEarlier(below(source, `origins/${name}`), own));
  judgeContinuations(logs);
  for (const { seen } of remembered(state))
    if (logs.every(({ origin }) => origin !== null && origin !== seen.origin))
      logs[0].faults.push({
        code: 'log_missing',
        message: `${seen.size} entries of ${seen.origin} were seen, and that log is not shown any more`,
        checkpoints: [seen.note],
      });
  if (stateFile !== undefined) {
    if (logs.every(({ memory }) => memory) && logs.every(({ faults }) => faults.length === 0))
      writeState(
        stateFile,
        logs.map(({ memory }) => memory),
        state,
      );
    for (const { faults } of logs) keepEvidence(stateFile, faults);
  }
  return logs.map(({ memory, continuation, ...log }) => log);
}

/** A log behind another must begin with the event that names what was there of that one, and what was lost. */
function judgeContinuations([newest, ...earlier]) {
  const chain = [...earlier, newest];
  for (const [at, log] of chain.entries()) {
    // Not read: the first entry was left out, lies before --since, or is of any kind.
    if (at === 0 || (log.continuation === undefined && log.size !== 0)) continue;
    const before = chain[at - 1];
    const { held, lost } = log.continuation ?? {};
    if (before.origin === null) continue;
    if (held?.origin !== before.origin || held.size !== before.size || held.root !== before.root || !isHead(lost))
      log.faults.push({
        code: 'log_forged_continuation',
        message: `${log.origin} does not begin with the event that names ${before.origin} at ${before.size} entries and what was lost of it`,
        index: 0,
      });
    else if (lost.size !== held.size || lost.root !== held.root || lost.origin !== held.origin)
      log.lost = { held, lost };
  }
}

const isHead = (head) =>
  typeof head?.origin === 'string' && Number.isSafeInteger(head.size) && typeof head.root === 'string';

/** A log before the newest. A key trusted for one counts for all of them, under each one's name. */
async function verifyEarlier(source, options) {
  const named = (name, keys) => keys.map((key) => keyOf(name, key.bytes));
  const { vkeys, reached } = options;
  const bytes = await source.read('vkey', 10_000);
  const names = (bytes?.toString('utf8') ?? '').split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [parseVkey(line).name];
    } catch {
      return [];
    }
  });
  const own = [...new Set(names)];
  return verifyLog(source, {
    ...options,
    save: undefined,
    since: undefined,
    origin: undefined,
    witnesses: [],
    quorum: 0,
    vkeys: own.length > 0 ? own.flatMap((name) => named(name, vkeys)) : vkeys,
    reached: reached.value ? { value: own.flatMap((name) => named(name, reached.value)) } : reached,
  });
}

/** Checkpoints that nothing was compared with, a bounded number by name. */
function skippedOnes(checkpoints) {
  const named = checkpoints.slice(0, NAMED).map(({ file }) => file);
  const more = checkpoints.length > NAMED ? ` and ${checkpoints.length - NAMED} more` : '';
  return `${named.join(', ')}${more}: not compared`;
}

const isAuthenticated = ({ key }) => key?.trust !== 'none';

function describe(log) {
  const { checked } = log;
  const released = log.released ? `${log.log} of ${log.released.version}, ` : '';
  const what = log.index !== undefined ? `${released}entry ${log.index} of ${log.size}` : `${log.size} entries`;
  return [
    ...log.faults.map(({ code, message, kept }) => `FAULT ${code}: ${message}${kept ? ` (kept in ${kept})` : ''}`),
    ...Object.entries(log.more).map(([code, count]) => `FAULT ${code}: ${count} more of this kind`),
    ...(log.faults.length === 0
      ? [
          `${isAuthenticated(log) ? 'verified' : 'not authenticated: give --vkey. Read without a fault:'} ${log.origin ?? log.log}: ${what}${log.root ? `, root ${log.root}` : ''}`,
        ]
      : []),
    ...(checked
      ? [
          `checked  ${Object.entries(checked)
            .map(([name, count]) => `${count} ${name.replace('_', ' ')}`)
            .join(', ')}`,
        ]
      : []),
    ...(log.key && isAuthenticated(log) ? [`key      ${log.key.vkeys.join(' ')} (${log.key.trust})`] : []),
    ...(log.key?.reached ?? []).map((vkey) => `new key  ${vkey} (a trusted key signed the note that names it)`),
    ...(log.since ? [`since    ${log.since.size} entries, verified before`] : []),
    ...(log.not_compared?.length > 0 ? [`skipped  ${skippedOnes(log.not_compared)}`] : []),
    ...(log.saved ? [`saved    ${log.saved}, for --since`] : []),
    ...(log.lost
      ? [
          `lost     of ${log.lost.lost.origin} ${log.lost.lost.size} entries were known, ${log.lost.held.size} of ${log.lost.held.origin} are left`,
        ]
      : []),
    ...(log.seen ? [`seen     ${log.seen.size} entries when last verified`] : []),
  ];
}

async function verifyAsAsked(args, { stdout, stderr }) {
  const options = readOptions(args);
  const say = (text) => options.quiet || stderr.write(`verify-audit-log: ${text}\n`);
  if (options.help) {
    stdout.write(`${HELP}\n`);
    return EXIT.ok;
  }
  const logs = await run(options);
  const isSound = logs.every(({ faults }) => faults.length === 0);
  const isOk = isSound && logs.every(isAuthenticated);
  stdout.write(
    options.json
      ? `${JSON.stringify({ ok: isOk, authenticated: logs.every(isAuthenticated), logs })}\n`
      : `${logs.flatMap(describe).join('\n')}\n`,
  );
  if (!logs.every(isAuthenticated))
    say('not authenticated: give --vkey. The key came with the log, and proves nothing by itself: get it elsewhere');
  return isOk ? EXIT.ok : isSound ? EXIT.notAuthenticated : EXIT.faulty;
}

/** Runs the verifier with the arguments of its command line, and gives the exit code. */
export async function main(args, { stdout, stderr } = process) {
  try {
    return await verifyAsAsked(args, { stdout, stderr });
  } catch (err) {
    const isKnown = err instanceof UsageError || err instanceof UnreachableError || err instanceof Fault;
    stderr.write(
      `verify-audit-log: ${isKnown ? err.message : err.stack}\n${err instanceof UsageError ? '(add --help for the options)\n' : ''}`,
    );
    return err instanceof UsageError ? EXIT.usage : err instanceof UnreachableError ? EXIT.unreachable : EXIT.faulty;
  }
}

const [, program] = process.argv;
/** Whether Node was told to run this file, by its path or through a link. */
const isProgram = existsSync(program ?? '') && realpathSync(program) === realpathSync(fileURLToPath(import.meta.url));
if (isProgram) process.exitCode = await main(process.argv.slice(2));
