import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { enrolTotp } from '../factors/enrol-totp.ts';
import { cookieOf, openFactorsHarness } from '../factors/factors-harness.ts';
import { verifyOwnTotp } from './verify-own-totp.ts';

const harness = opened(openFactorsHarness);

const send = (code: string, caller: Caller) =>
  verifyOwnTotp(harness.deps, { code, signal: AbortSignal.timeout(10_000) }, caller);

test('the first code of an authenticator app confirms it, after a recent sign-in; the next one steps up', async () => {
  const { caller } = await harness.person();
  const { totpUri } = await enrolTotp(harness.deps, { password: harness.password }, caller);
  expect(await outcomeOf(send(codeOf(totpUri), { ...caller, authTime: 0 }))).toBe('step_up_required');
  const confirmed = await send(codeOf(totpUri), caller);
  expect(claimsIn(confirmed.body.tokens.access_token)).toMatchObject({ acr: 'aal2' });
  const strong = await harness.callerBy(cookieOf(confirmed));
  const stepped = await send(codeOf(totpUri, 1), { ...strong, authTime: 0 });
  expect(stepped.body.session.id).toBe(strong.sessionId);
});

test('without an authenticator app, every code is refused as a step-up', async () => {
  const { caller } = await harness.person();
  expect(await outcomeOf(send('123456', caller))).toBe('second_factor_refused');
});
