/** Archives whose bytes depend on their files alone: sorted, of one time, one owner and no machine. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

export type Entry = { readonly path: string; readonly bytes: Buffer; readonly isProgram?: boolean };

/** That of npm's own packages: 26 October 1985. A zip cannot say an earlier year than 1980. */
const EPOCH_SECONDS = 499_162_500;
const ZIP_DATE = ((1985 - 1980) << 9) | (10 << 5) | 26;
const BLOCK = 512;

const sorted = (entries: readonly Entry[]): Entry[] => [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));

/** The files of a folder that git knows, by their paths in it: what else lies there is not handed out. */
export const trackedIn = (folder: string): string[] =>
  execFileSync('git', ['ls-files'], { cwd: folder, encoding: 'utf8' }).trim().split('\n');

/** The files below a folder, under `prefix`. */
export const entriesBelow = (folder: string, prefix: string): Entry[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => ({ path: `${prefix}/${path}`, bytes: readFileSync(join(folder, path)) }));

/** @throws if ustar has no place for the path */
function tarHeader({ path, bytes, isProgram }: Entry): Buffer {
  const header = Buffer.alloc(BLOCK);
  const cut = path.length <= 100 ? -1 : path.lastIndexOf('/', 155);
  const name = path.slice(cut + 1);
  if (Buffer.byteLength(name) > 100 || Buffer.byteLength(path) !== path.length)
    throw new Error(`an archive cannot hold the name ${path}`);
  const put = (at: number, text: string): void => void header.write(text, at, 'latin1');
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  put(0, name);
  put(100, octal(isProgram ? 0o755 : 0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(bytes.length, 11));
  put(136, octal(EPOCH_SECONDS, 11));
  put(148, ' '.repeat(8));
  put(156, '0');
  put(257, 'ustar\0' + '00');
  if (cut > 0) put(345, path.slice(0, cut));
  put(
    148,
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
  );
  return header;
}

export function tar(entries: readonly Entry[]): Buffer {
  const blocks = sorted(entries).flatMap((entry) => [
    tarHeader(entry),
    entry.bytes,
    Buffer.alloc(-entry.bytes.length & (BLOCK - 1)),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

export function tarGz(entries: readonly Entry[]): Buffer {
  const gzip = gzipSync(tar(entries), { level: 9 });
  // zlib names the operating system here.
  gzip[9] = 255;
  return gzip;
}

export function zip(entries: readonly Entry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { path, bytes } of sorted(entries)) {
    const name = Buffer.from(path);
    const packed = deflateRawSync(bytes, { level: 9 });
    // What a local and a central header share, from "version needed" to "extra length".
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x0800, 2);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt16LE(ZIP_DATE, 8);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), shared, name, packed]);
    files.push(file);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, place, name);
    at += file.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...files, central, end]);
}
