import { z } from 'zod';
import { componentNames } from '#services/platform/define/component-names.ts';
import { text } from './admin-shapes.ts';

/** The `iss` of its tokens; or a trust domain, whose JWT-SVIDs need none (SPIFFE JWT-SVID §3): its keys alone name it. */
const ISSUER = /^(https:\/\/[\x21-\x7e]+|spiffe:\/\/[a-z0-9._-]{1,255})$/;
/** Segments between `:` and `/`. `*` is a whole one, so that no wildcard begins or ends inside a name. */
const SUBJECT = /^(\*|[^*:/]*)([:/](\*|[^*:/]*))*$/;
const NAME = /^[\x21-\x7e]{1,128}$/;
const CLAIMS_MAX = 10;

/**
 * The tokens of another issuer that authenticate a client (RFC 7523 §2.2): of a Kubernetes cluster, a SPIFFE trust domain
 * or GitHub Actions. They are verified by the `jwks` or `jwks_uri` of the client.
 */
export const workloadShape = z
  .strictObject({
    issuer: z.string().max(512).regex(ISSUER),
    /** The one `aud` of the tokens: the issuer of this server, as if left out, or a URL below it. */
    audience: text(512).optional(),
    /** The `sub`; `*` stands for one segment, of one or more characters other than `:` and `/`. */
    subject: text(512).regex(SUBJECT),
    /** Further claims, each the exact text. */
    claims: z.record(z.string().regex(NAME), text(512)).optional(),
    /** A token with a `jti` may be sent again until it expires, as Kubernetes hands it out; else each works once. */
    reusable: z.boolean().optional(),
  })
  .register(componentNames, { id: 'Workload' });
export type Workload = z.output<typeof workloadShape>;

/** Why a binding would let in more than its administrator can mean, as a sentence; undefined if it does not. */
export function workloadProblem({ issuer, subject, claims = {} }: Workload): string | undefined {
  const wildcards = subject.split('*').length - 1;
  if (issuer.startsWith('spiffe:') && !subject.startsWith(`${issuer}/`))
    return 'The subject of a workload must be a SPIFFE ID in the trust domain of its issuer.';
  if (Object.keys(claims).length > CLAIMS_MAX) return `A workload names at most ${CLAIMS_MAX} claims.`;
  if ((subject === '*' || wildcards > 1) && Object.keys(claims).length === 0)
    return 'A workload whose subject is a wildcard alone, or has more than one, must name a claim too.';
  return undefined;
}
