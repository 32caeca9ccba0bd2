/** SPIFFE-ID §2: a trust domain, and a path without empty or relative segments. */
export const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[\w.-]+)+$/;

/** RFC 7519 §4.1.3 allows a list, which Kubernetes and SPIFFE write; with a second value another server takes it too. */
export const isOnly = (aud: unknown, audience: string): boolean =>
  aud === audience || (Array.isArray(aud) && aud.length === 1 && aud[0] === audience);

const segments = (subject: string): readonly string[] => subject.split(/([:/])/);

/** Whether `sub` is the subject: the same segments, and the same separators between them. */
export function fitsSubject(subject: string, sub: string): boolean {
  const [wanted, found] = [segments(subject), segments(sub)];
  return (
    wanted.length === found.length &&
    wanted.every((part, at) => part === found[at] || (part === '*' && found[at] !== ''))
  );
}
