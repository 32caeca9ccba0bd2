/** Bytes of unpadded base64url in its one canonical spelling, or null (RFC 7515 §2, rfc8725bis §3.14). */
export function canonicalBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  // Decoding forgives foreign characters, padding and stray bits; spelling the bytes again does not.
  return bytes.length > 0 && bytes.toString('base64url') === text ? bytes : null;
}
