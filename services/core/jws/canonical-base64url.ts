/** Decodes unpadded base64url in its one canonical form; null for any other form (RFC 7515 §2, rfc8725bis §3.14). */
export function canonicalBase64url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  // Node's decoder skips invalid characters, padding and stray bits. Encoding again finds them.
  return bytes.length > 0 && bytes.toString('base64url') === text ? bytes : null;
}
