import { z } from 'zod';
import { whyOf } from '../define/input-problem.ts';
import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { optionalText, optionalUrl, readText, UnfitError } from './shapes.ts';

/** Options that cannot be set: Sallyport sets them, or they are functions, which JSON cannot express. */
const OWN_OPTIONS = new Set([
  'clientId',
  'clientSecret',
  'redirectURI',
  'getUserInfo',
  'mapProfileToUser',
  'refreshAccessToken',
  'verifyIdToken',
]);

/** Options of the Better Auth provider of that name; scalars only. */
const options = z
  .record(
    z
      .string()
      .regex(/^[a-zA-Z]\w{0,63}$/)
      .refine((name) => !OWN_OPTIONS.has(name), 'is not an option that can be set here'),
    z.union([z.string().min(1).max(4_096), z.number(), z.boolean()], 'must be a text, a number, true or false'),
  )
  .refine((given) => Object.keys(given).length <= 32, 'has more than 32 members');

const provider = z.strictObject({
  clientId: z.string().min(1).max(512),
  clientSecret: z.string().min(1).max(4_096).optional(),
  /** Issuer of an OpenID provider; if unset, the name must be one that Better Auth knows. */
  issuer: z.url().max(512).optional(),
  /** Requested in addition to the scopes that a sign-in needs. */
  scopes: z.array(z.string().min(1).max(128)).max(20).optional(),
  /** Further options of a provider that Better Auth knows: `tenantId`, `userPoolId`, … */
  options: options.optional(),
  /** Allows this provider on a private network. */
  allowPrivateAddresses: z.boolean().optional(),
});
const providers = z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), provider);

type SocialProviderSettings = z.output<typeof provider>;

const providerMap = () =>
  readText('', 32_768, (text): z.output<typeof providers> => {
    if (text.trim() === '') return {};
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new UnfitError('must be a JSON object of providers');
    }
    const parsed = providers.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues as [z.core.$ZodIssue];
    throw new UnfitError(`${issue.path.join('.')} ${whyOf(issue, value)}`);
  });

export const socialSettings = defineSettings({
  googleClientId: {
    env: 'GOOGLE_CLIENT_ID',
    schema: optionalText(512),
    use: 'Client id for sign-in with Google; needs GOOGLE_CLIENT_SECRET.',
  },
  googleClientSecret: {
    env: 'GOOGLE_CLIENT_SECRET',
    schema: optionalText(),
    use: 'Secret of GOOGLE_CLIENT_ID.',
    secret: true,
  },
  githubClientId: {
    env: 'GITHUB_CLIENT_ID',
    schema: optionalText(512),
    use: 'Client id for sign-in with GitHub; needs GITHUB_CLIENT_SECRET.',
  },
  githubClientSecret: {
    env: 'GITHUB_CLIENT_SECRET',
    schema: optionalText(),
    use: 'Secret of GITHUB_CLIENT_ID.',
    secret: true,
  },
  oidcIssuer: {
    env: 'OIDC_ISSUER',
    schema: optionalUrl(),
    use: 'Issuer of an OpenID provider for sign-in, named `oidc` in the API; needs OIDC_CLIENT_ID and, unless the client is public, OIDC_CLIENT_SECRET.',
    example: 'https://login.example.com',
  },
  oidcClientId: { env: 'OIDC_CLIENT_ID', schema: optionalText(512), use: 'Client id at OIDC_ISSUER.' },
  oidcClientSecret: {
    env: 'OIDC_CLIENT_SECRET',
    schema: optionalText(),
    use: 'Secret of OIDC_CLIENT_ID; unset: a public client.',
    secret: true,
  },
  providers: {
    env: 'SOCIAL_PROVIDERS',
    schema: providerMap(),
    use: 'More providers, as a JSON object. Each key is the name of a provider; each value has clientId and, where needed, clientSecret, issuer, scopes, options and allowPrivateAddresses.',
    secret: true,
    example: '',
  },
});

type Social = SettingsOf<typeof socialSettings>;

export function socialProvidersOf(social: Social): Readonly<Record<string, SocialProviderSettings>> {
  const named: Record<string, SocialProviderSettings> = { ...social.providers };
  if (social.googleClientId && social.googleClientSecret)
    named.google = { clientId: social.googleClientId, clientSecret: social.googleClientSecret };
  if (social.githubClientId && social.githubClientSecret)
    named.github = { clientId: social.githubClientId, clientSecret: social.githubClientSecret };
  if (social.oidcIssuer && social.oidcClientId)
    named.oidc = {
      issuer: social.oidcIssuer,
      clientId: social.oidcClientId,
      ...(social.oidcClientSecret ? { clientSecret: social.oidcClientSecret } : {}),
    };
  return named;
}

/** Problems: incomplete pairs, and issuers without TLS, which an attacker on the network could impersonate. */
export const socialProblems = (social: Social, isDevelopment: boolean): ConfigProblem[] =>
  problemsOf((refuse) => {
    for (const [name, one, otherName, other] of [
      ['GOOGLE_CLIENT_ID', social.googleClientId, 'GOOGLE_CLIENT_SECRET', social.googleClientSecret],
      ['GITHUB_CLIENT_ID', social.githubClientId, 'GITHUB_CLIENT_SECRET', social.githubClientSecret],
      ['OIDC_ISSUER', social.oidcIssuer, 'OIDC_CLIENT_ID', social.oidcClientId],
    ] as const) {
      const [missing, given] = one === undefined ? [name, otherName] : [otherName, name];
      if ((one === undefined) !== (other === undefined))
        refuse(missing, `is not set while ${given} is`, 'set both or neither');
    }
    if (!isDevelopment && Object.values(socialProvidersOf(social)).some(({ issuer }) => issuer?.startsWith('http:')))
      refuse('SOCIAL_PROVIDERS', 'has an issuer without TLS', 'use its https address');
  });
