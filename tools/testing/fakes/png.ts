import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** A chunk with its checksum (PNG Third Edition §5.3). */
export function pngChunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([uint32(data.length), typed, uint32(crc32(typed))]);
}

/** A header of an image in 8-bit grey. */
export const pngHeader = (width: number, height: number): Buffer =>
  pngChunk('IHDR', Buffer.concat([uint32(width), uint32(height), Buffer.from([8, 0, 0, 0, 0])]));

/** A file of these chunks. */
export const pngFile = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([SIGNATURE, ...chunks]);

/** A black square that a browser can show. */
export const blackPng = (side: number): Buffer =>
  pngFile(pngHeader(side, side), pngChunk('IDAT', deflateSync(Buffer.alloc((side + 1) * side))), pngChunk('IEND'));

/** As a client's `logo`. */
export const logoOf = (png: Buffer): string => `data:image/png;base64,${png.toString('base64')}`;
