/** How a digest of Firebase is written here: it names the signer key of its project, and never contains it. */
export { signerKeyId, writeFirebaseDigest } from '#services/platform/hasher/formats/firebase-scrypt.ts';
