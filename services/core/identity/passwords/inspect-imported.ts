import { asImported, type ImportedDigest, inspectDigest } from '#services/platform/hasher/schemes.ts';

/** Whether a digest of another system may be stored for a user, and why not. @param allowed weak formats, by name */
export const inspectImported = (digest: string, allowed: readonly string[] = []): ImportedDigest =>
  inspectDigest(digest, allowed);

/** How a digest of another system is stored: never as if it were one of ours. */
export const storedDigest: (digest: string) => string = asImported;
