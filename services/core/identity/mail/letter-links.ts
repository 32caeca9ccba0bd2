import type { Letter } from './render-mail.ts';

export type Coded = {
  readonly url: string;
  readonly code: string;
  /** The same in short, for readers who cannot open the link. */
  readonly typed: string;
  readonly lifeSeconds: number;
};
/** `page`: a page of an application, as `MailRequest` says. */
export type Leading = Coded & { readonly page?: string | undefined };

type Link = NonNullable<Letter['link']>;

export const verifyLink = ({ url, code, typed, page }: Leading, label: string): Link => ({
  label,
  page: `${url}/account/verify-email${page === undefined ? '' : `?${new URLSearchParams({ callbackURL: page })}`}`,
  code,
  typed,
});

/** The page of an application takes the code of the link only. */
export const resetLink = ({ url, code, typed, page }: Leading, label: string): Link =>
  page === undefined
    ? { label, page: `${url}/account/reset-password`, code, typed }
    : { label, page, code, isInQuery: true };
