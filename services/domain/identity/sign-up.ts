import { signups } from '../../../observability/metrics/identity.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller } from '../ports.ts';
import { assertNotRewound } from '../tokens/revocation-set.ts';
import { normaliseEmail } from './email.ts';
import { endSessionIn } from './end-session.ts';
import { emailTaken } from './errors.ts';
import { finishOrEnd } from './finish-login.ts';
import { admissionOf, inQueue } from './hash-password.ts';
import { type MailPorts, queueMail } from './mail/queue-mail.ts';
import { beginLogin, type LoginAnswer } from './open-session.ts';
import { assertPasswordAllowed } from './password-policy.ts';
import { findByCookie } from './read-session.ts';
import type { LoginPorts } from './sign-in.ts';

export type SignUpInput = {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  /** The Cookie header: a session it names ends as the new one begins. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

const EMAIL_UNIQUE = 'users_email_key';

export type SignUpPorts = LoginPorts & MailPorts;

/** The same for new and known addresses: a mail says which. */
export type SignUpPending = {
  readonly body: { readonly status: 'verification_required' };
  readonly setCookie: readonly string[];
};

/**
 * Makes user, account, session and token family in one transaction (D-API-01); the password is hashed before it. Where
 * an address must be proved first, all of them begin with the proof, and until then a mail is all there is.
 * @throws the `passwordErrors` (400), emailTaken (409), hashingBusy, storeUnavailable
 */
export async function signUp(
  ports: SignUpPorts,
  input: SignUpInput,
  caller: Caller,
): Promise<LoginAnswer | SignUpPending> {
  try {
    const answer = await attempt(ports, input, caller);
    signups.add(1, { outcome: 'status' in answer.body ? 'pending' : 'ok' });
    return answer;
  } catch (err) {
    const status = (err as { definition?: { status?: number } }).definition?.status ?? 500;
    signups.add(1, { outcome: status === 409 ? 'known' : status < 500 ? 'refused' : 'unavailable' });
    throw err;
  }
}

async function attempt(ports: SignUpPorts, input: SignUpInput, caller: Caller): Promise<LoginAnswer | SignUpPending> {
  assertNotRewound(ports.revocations);
  const email = normaliseEmail(input.email);
  await assertPasswordAllowed(ports, input.password, { email, name: input.name, caller });
  const name = input.name ?? '';
  if (ports.verificationRequired) {
    // The password is given again by whoever reads the mail: one that somebody else chose must not become theirs.
    await ports.transact((tx) => queueMail(tx, ports, { template: 'sign_up', to: email, name }, caller));
    return { body: { status: 'verification_required' }, setCookie: [] };
  }
  const digest = await inQueue(ports.hasher.hash(input.password, admissionOf(caller, input.signal)));
  const replaced = await findByCookie(ports, input.cookie);
  const login = await ports.auth
    .transact(async (tx) => {
      await setAuditContext(tx, caller, 'sign_up');
      if (replaced) await endSessionIn(tx, ports, replaced.session.id);
      const opened = await ports.auth.signUp({ email, name, digest }, caller.request);
      await queueMail(tx, ports, { template: 'verify_email', to: email }, caller);
      return beginLogin(tx, ports, opened, caller);
    })
    .catch((err: unknown) => {
      throw isUniqueEmail(err) ? emailTaken({ cause: err }) : err;
    });
  // The account stays and can sign in, whatever becomes of this session.
  return finishOrEnd(ports, login, { cookie: input.cookie }, caller);
}

/** A concurrent sign-up was faster: Better Auth's look-up did not see it, the unique index did. */
function isUniqueEmail(err: unknown): boolean {
  const { code, constraint } = err as { code?: unknown; constraint?: unknown };
  return code === '23505' && constraint === EMAIL_UNIQUE;
}
