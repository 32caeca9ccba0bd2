import type { Letter } from './render-mail.ts';

export type Coded = { readonly url: string; readonly code: string; readonly lifeSeconds: number };
/** `page`: a page of an application, as `MailRequest` says. */
export type Leading = Coded & { readonly page?: string | undefined };

type Link = NonNullable<Letter['link']>;

export const verifyLink = ({ url, code, page }: Leading, label: string): Link => ({
  label,
  page: `${url}/account/verify-email${page === undefined ? '' : `?${new URLSearchParams({ callbackURL: page })}`}`,
  code,
});

export const resetLink = ({ url, code, page }: Leading, label: string): Link => ({
  label,
  page: page ?? `${url}/account/reset-password`,
  code,
  isInQuery: page !== undefined,
});
