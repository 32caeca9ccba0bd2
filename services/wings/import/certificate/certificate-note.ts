import type { ImportCertificate } from './certificate-shapes.ts';

/**
 * What the key of the audit log signs for a certificate. The second line is no number, so that no verifier of the log
 * reads it as a checkpoint.
 */
export const certificateNoteText = ({ origin, statement }: ImportCertificate['certificate'], sha256: string): string =>
  `${origin}/import-certificate\nimport ${statement.import_id}\nsha256 ${sha256}\n`;
