// For tests only: a witness (c2sp.org/tlog-witness) of one log over HTTP. Shares no code with the log.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { signatureLine, type TlogSigner } from '#tools/testing/fixtures/tlog-builder.ts';
import { listening } from '#tools/testing/listening.ts';

const node = (left: Buffer, right: Buffer): Buffer =>
  createHash('sha256')
    .update(Buffer.concat([Buffer.of(1), left, right]))
    .digest();

/** RFC 9162 §2.1.4.2, step by step. */
function isConsistent(first: number, second: number, proof: readonly Buffer[], oldRoot: Buffer, newRoot: Buffer) {
  if (first === second) return proof.length === 0 && oldRoot.equals(newRoot);
  if (first === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(first)) ? [oldRoot, ...proof] : [...proof];
  if (path.length === 0) return false;
  let fn = first - 1;
  let sn = second - 1;
  for (; fn % 2 === 1; fn = Math.floor(fn / 2)) sn = Math.floor(sn / 2);
  let fr = path[0] as Buffer;
  let sr = fr;
  for (const hash of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = node(hash, fr);
      sr = node(hash, sr);
      for (; fn !== 0 && fn % 2 === 0; fn = Math.floor(fn / 2)) sn = Math.floor(sn / 2);
    } else sr = node(sr, hash);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && fr.equals(oldRoot) && sr.equals(newRoot);
}

export type TestWitness = {
  readonly url: string;
  /** The last checkpoint it cosigned. */
  readonly seen: { size: number; root: Buffer };
  /** Requests so far, as status codes. */
  readonly answers: readonly number[];
  /** Answers this instead, until it is undefined again. */
  fault: number | undefined;
  close(): Promise<void>;
};

/** @param log vkeys of the one log it knows: `name+hash+base64` */
export async function startWitness(signer: TlogSigner, log: readonly string[]): Promise<TestWitness> {
  const seen = { size: 0, root: createHash('sha256').digest() };
  const answers: number[] = [];
  const judge = (body: string): { status: number; text?: string; type?: string } => {
    const [head = '', ...rest] = body.split('\n\n');
    const [old = '', ...hashes] = head.split('\n');
    const note = rest.join('\n\n');
    const text = `${note.slice(0, note.lastIndexOf('\n\n'))}\n`;
    const [origin = '', size = '', root = ''] = text.split('\n');
    const keys = log.filter((vkey) => vkey.startsWith(`${origin}+`));
    if (keys.length === 0) return { status: 404 };
    const lines = note.slice(note.lastIndexOf('\n\n') + 2).split('\n');
    const isSigned = keys.some((vkey) => {
      const raw = Buffer.from(vkey.slice(vkey.indexOf('+', origin.length + 1) + 1), 'base64').subarray(1);
      const key = createPublicKey({
        key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]),
        format: 'der',
        type: 'spki',
      });
      return lines.some((line) => {
        const [, name, encoded = ''] = line.split(' ');
        return name === origin && verify(null, Buffer.from(text), key, Buffer.from(encoded, 'base64').subarray(4));
      });
    });
    if (!isSigned) return { status: 403 };
    const from = Number(/^old (\d+)$/.exec(old)?.[1]);
    if (!(from <= Number(size)) || hashes.length > 63) return { status: 400 };
    const next = { size: Number(size), root: Buffer.from(root, 'base64') };
    if (from !== seen.size || (next.size === seen.size && !next.root.equals(seen.root)))
      return { status: 409, text: `${seen.size}\n`, type: 'text/x.tlog.size' };
    const proof = hashes.map((hash) => Buffer.from(hash, 'base64'));
    if (!isConsistent(from, next.size, proof, seen.root, next.root)) return { status: 422 };
    Object.assign(seen, next);
    return { status: 200, text: signatureLine(signer, text, Math.floor(Date.now() / 1_000)) };
  };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const isAsked = request.method === 'POST' && request.url === '/w/add-checkpoint';
      const answer = witness.fault ? { status: witness.fault } : isAsked ? judge(body) : { status: 405 };
      answers.push(answer.status);
      response.writeHead(answer.status, { 'content-type': answer.type ?? 'text/plain' }).end(answer.text ?? '');
    });
  });
  const { url, close } = await listening(server);
  const witness: TestWitness = { url: `${url}/w`, seen, answers, fault: undefined, close };
  return witness;
}
