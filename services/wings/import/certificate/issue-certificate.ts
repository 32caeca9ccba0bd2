import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { parseCheckpoint, signNote, vkeyOf } from '#services/core/audit/log/note.ts';
import { parseProof } from '#services/core/audit/log/proof.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import type { HasAuditLogKeys } from '#services/core/audit/read/read-log.ts';
import type { HasLogSigner } from '#services/core/audit/seal/log-signer.ts';
import type { Ports } from '#services/core/ports.ts';
import { importNotSealed, importUnknown } from '../errors.ts';
import { readImportRow } from '../run/imports.store.ts';
import { digestOfStatement, statementOf } from '../run/statement.ts';
import { readSealedEvent } from './certificate.store.ts';
import { certificateNoteText } from './certificate-note.ts';
import type { ImportCertificate } from './certificate-shapes.ts';

/**
 * The certificate of an import that has ended, as canonical JSON in one line.
 * @throws importUnknown (404), importNotSealed (409) until its last event is in the sealed log
 */
export async function issueCertificate(
  ports: Pick<Ports, 'sql'> & HasLogSigner & HasAuditLogKeys,
  { import_id: id }: { readonly import_id: string },
): Promise<string> {
  const row = await readImportRow(ports.sql, id);
  if (row === undefined) throw importUnknown();
  const sealed = row.event_id === null ? undefined : await readSealedEvent(ports.sql, row.event_id);
  if (sealed === undefined) throw importNotSealed();
  const proof = await proveEvent(ports, sealed.seq);
  const { origin } = parseCheckpoint(`${parseProof(proof).checkpoint.split('\n\n')[0]}\n`);
  const [signers, keys] = await Promise.all([ports.logSigner.signers(origin), ports.auditLogKeys(origin)]);
  const certificate = {
    statement: statementOf(row),
    event_id: row.event_id as string,
    seq: sealed.seq,
    leaf: sealed.leaf.toString('base64'),
    proof,
    origin,
    vkeys: keys.map(vkeyOf),
  } as ImportCertificate['certificate'];
  const note = signNote(certificateNoteText(certificate, digestOfStatement(certificate)), signers);
  return `${canonicalJson({ certificate, note } as unknown as Json)}\n`;
}
